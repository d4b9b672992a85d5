"""Errors of files, and of the plugins that read and write them."""

from __future__ import annotations

from hangar_core.errors import Corrupt, HangarError, NotFound


class PluginError(HangarError):
    """A plugin failed in a way that its contract does not foresee."""

    template = "plugin '{plugin}' ({version}) failed on `{file}`: {reason}"


class BadFile(PluginError, ValueError):
    """A file is not what its format says it should be. `code` is stable: `truncated`, `empty`, `not-a-png`..."""

    template = "{file}: {reason}"


class PluginNotFound(NotFound, ValueError):
    """No plugin has that name."""

    template = "Plugin {name} not found"
    default_hint = "`hangar plugins list` shows what is installed"
    exit_code = 1  # documented: plugin failures end with 1


class NoPluginFor(NotFound, ValueError):
    """No plugin both accepts the extension and provides the method."""

    template = "No plugins found for the file extension {extension} that could do {method}"
    exit_code = 1  # documented: plugin failures end with 1


class PluginBroken(PluginError):
    """A plugin was asked for by name and cannot be imported or constructed."""

    template = "plugin '{plugin}' ({distribution}) failed to load: {reason}"


class MethodNotProvided(PluginError, RuntimeError):
    """The plugin exists, but does not provide the method asked for."""

    template = "plugin '{plugin}' does not provide `{method}`, only {provides}"


class FilesRejected(HangarError):
    """An import or export refused files. `rejects` lists each with its code, reason and fix."""

    template = "{count} of {total} files rejected. Nothing was staged."


class TooManyRejected(FilesRejected):
    """More files were refused than the import was to put up with; it stopped there."""

    template = "{count} files rejected, more than the {limit} allowed: the import stopped, {outcome}."
    default_hint = "mend or remove them and run the same command again, or allow more with --max-errors"


class ExportDiffers(Corrupt):
    """Files that an export wrote do not give back the samples that went into them."""

    template = "{count} of {total} samples are not read back as they were written."
    default_hint = "export them with -f npy, and tell the author of the plugin"
