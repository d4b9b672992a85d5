"""Configurations: nested settings, and the identity that follows from them."""

from __future__ import annotations

import copy
import http
import pickle
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hangar_core.errors import WrongType
from hangar_steps import Config, ConfigurationError

NOWHERE = uuid.UUID("78787878-7878-7878-7878-787878787878")


class Word(str): ...


@pytest.fixture(autouse=True)
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: below a git repository with one commit."""
    place = tmp_path / "code" / "deep"
    place.mkdir(parents=True)
    for name in ("GIT_AUTHOR", "GIT_COMMITTER"):
        monkeypatch.setenv(f"{name}_NAME", "A")
        monkeypatch.setenv(f"{name}_EMAIL", "a@b.org")
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run(["git", *words], cwd=place.parent, check=True)
    monkeypatch.chdir(place)
    return place


def test_the_defaults_are_there() -> None:
    config = Config()
    assert config.run_name == "Run"
    assert (config.experiment_name, config.seed, config.log, config.score_name) == ("Experiment", None, True, "loss")
    assert (config.iters, config.step_end, config.project_root) == (0, None, "experiments")
    assert config.checkpoint_dir_name == "checkpoints"


def test_attributes_items_and_dotted_keys_are_one_store() -> None:
    config = Config({"a": {"b": 1}}, **{"x.y.z": 2}, lr=0.1)
    assert config.a.b == config["a"]["b"] == config["a.b"] == 1
    assert config.x.y == {"z": 2}
    config.a.c = 3
    config["a.d"] = 4
    config.a.update(e=5)
    assert config["a"] == {"b": 1, "c": 3, "d": 4, "e": 5}
    assert "a.b" in config
    assert "a.q" not in config
    assert 3 not in config
    del config["a.b"]
    del config.lr
    assert ("a.b" in config, "lr" in config) == (False, False)
    assert config.pop("a.c") == 3
    assert config.pop("a.c", None) is None
    assert next(iter(config)) == "run_name"
    assert dict(config.items())["run_name"] == "Run"
    assert type(config.dict()["a"]) is dict


def test_reading_what_is_missing_makes_nothing() -> None:
    config = Config()
    before = config.run_uuid
    with pytest.raises(AttributeError, match="nobody"):
        _ = config.nobody
    for key in ("nobody", "nobody.x", "lr.x"):
        with pytest.raises(KeyError):
            _ = config[key]
    assert config.get("nobody", 5) == 5
    assert config.get("a.b.c") is None
    assert not hasattr(config, "nobody")
    assert config.run_uuid == before


def test_it_equals_a_plain_dict() -> None:
    config = Config(a={"b": 1})
    assert isinstance(config, dict)
    assert config == config.dict()
    assert len(config) == len(config.dict())


def test_merging_goes_level_by_level() -> None:
    config = Config(a={"b": 1, "c": 2})
    assert config.merge({"a": {"c": 3}}, lr=1) is config
    assert (config.a, config.lr) == ({"b": 1, "c": 3}, 1)


def test_a_frozen_configuration_refuses_changes_at_all_levels() -> None:
    config = Config(a={"b": 1}).freeze()
    changes: list[Any] = [
        lambda: config.update(x=1),
        lambda: setattr(config, "x", 1),
        lambda: setattr(config.a, "b", 2),
        lambda: config.pop("a"),
        lambda: config.__delitem__("a"),
        lambda: config.clear(),
        lambda: config.setdefault("q", 1),
        lambda: config.popitem(),
    ]
    for change in changes:
        with pytest.raises(ValueError, match="frozen"):
            change()
    assert config.frozen
    config.defrost().a.b = 2
    assert config.a.b == 2


class Mine(Config):
    lr: float = 0.1
    layers: list[int] = [1]  # noqa: RUF012 - a default that is copied
    epochs: int = 5
    flag: bool = False


def test_subclasses_add_settings_and_change_defaults() -> None:
    one, two = Mine(), Mine()
    assert (one.lr, one["epochs"], one.layers) == (0.1, 5, [1])
    one.layers.append(2)
    assert two.layers == [1]
    assert Config().epochs == 0


def test_values_of_plain_types_are_converted_and_others_checked() -> None:
    config = Mine(iters="7", lr="1e-3", flag="yes")
    assert (config.iters, config.lr, config.flag) == (7, 1e-3, True)
    config.iters = "8"
    assert config["iters"] == 8
    with pytest.raises(ValueError, match="iters"):
        Config(iters="q")
    for wrong in ("5", True):
        with pytest.raises(TypeError, match="seed"):
            Config(seed=wrong)
    assert Config(seed=5).seed == 5


# --- identity -------------------------------------------------------------------------------------------------------


def test_the_experiment_is_the_commit_of_the_code(code: Path) -> None:
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=code, capture_output=True, text=True, check=True
    ).stdout.strip()
    config = Config()
    assert config.experiment_id == head
    assert config.experiment_uuid == uuid.UUID(bytes=head[:16].encode())
    assert Config(experiment_id="abc").experiment_uuid.bytes == b"abc" + b"x" * 13
    with pytest.raises(UnicodeEncodeError):
        _ = Config(experiment_id="é" * 16, run_id="given").experiment_uuid


@pytest.mark.parametrize("how", ["no repository", "no commit", "no git"])
def test_without_code_in_git_it_is_made_of_x_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    place = tmp_path / "elsewhere"
    place.mkdir()
    if how == "no commit":
        subprocess.run(["git", "init", "-q"], cwd=place, check=True)
    elif how == "no git":
        monkeypatch.setenv("PATH", str(place))
    monkeypatch.chdir(place)
    monkeypatch.setattr("sys.modules", {**__import__("sys").modules, "__main__": None})
    with pytest.warns(RuntimeWarning, match="git"):
        config = Config()
    assert config.experiment_id == "x" * 16
    assert config.experiment_uuid == NOWHERE


def test_where_the_working_directory_is_under_no_git_that_of_the_script_counts(code: Path, tmp_path: Path) -> None:
    (code / "script.py").write_text("from hangar_steps import Config\nprint(Config().experiment_id)")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    words = [sys.executable, str(code / "script.py")]
    done = subprocess.run(words, cwd=elsewhere, capture_output=True, text=True, check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=code, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == (head.stdout, "")


def test_the_run_follows_the_settings_and_not_their_order() -> None:
    one, two = Config(a=1, b={"c": 2, "d": 3}), Config(b={"d": 3, "c": 2}, a=1)
    assert one.run_uuid == two.run_uuid
    assert one.run_id == one.run_uuid.hex
    assert hash(one) == hash(two) == hash(one.run_uuid.int)
    assert {one: 1}[two] == 1
    changed = Config(a=2, b={"c": 2, "d": 3})
    assert changed.run_uuid != one.run_uuid
    one.a = 2
    assert one.run_uuid == changed.run_uuid
    assert one.run_id == two.run_id != one.run_uuid.hex
    assert Config(run_id="mine").run_id == "mine"


@pytest.mark.parametrize(
    "key",
    [
        "timestamp",
        "iter",
        "step",
        "epoch",
        "results",
        "score_split",
        "score",
        "log_interval",
        "save_interval",
        "tensorboard",
        "checkpoint",
        "auto_resume",
    ],
)
def test_some_settings_do_not_count(key: str) -> None:
    config = Config()
    before = config.run_uuid
    config[key] = {"tensorboard": True, "score_split": "dev"}.get(key, 5)
    assert config.run_uuid == before


def test_progress_counts_and_so_does_the_code() -> None:
    config = Config()
    before = config.run_uuid
    config.steps = 1
    moved = config.run_uuid
    config.experiment_id = "other"
    assert len({before, moved, config.run_uuid}) == 3


def test_what_is_ignored_can_be_chosen_for_one_object() -> None:
    config = Config(a=1)
    before = config.run_uuid
    config.ignored_keys_in_hash = config.ignored_keys_in_hash | {"a"}
    other = config.run_uuid
    assert other != before
    config.a = 2
    assert config.run_uuid == other
    assert "ignored_keys_in_hash" not in config


# --- storage --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("extension", [".json", ".yml", ".yaml", ".JSON"])
def test_what_is_saved_is_loaded_with_its_identity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, extension: str
) -> None:
    if extension.lower() != ".json":
        pytest.importorskip("yaml")
    config = Mine(lr=0.5, a={"b": [1, None, "é"]}, place=Path("x/y"))
    config.save(tmp_path / f"c{extension}")
    monkeypatch.chdir(tmp_path)
    loaded = Mine.load(f"c{extension}")
    assert type(loaded) is Mine
    assert loaded == {**config.dict(), "place": "x/y"}
    assert (loaded.run_id, loaded.run_uuid, loaded.a.b) == (config.run_id, config.run_uuid, [1, None, "é"])


def test_text_forms_are_sorted_and_come_back() -> None:
    config = Config(zebra=1, a=(1, 2))
    assert config.jsons().index('"a"') < config.jsons().index('"zebra"')
    assert Config.from_jsons(config.jsons()).a == [1, 2]
    pytest.importorskip("yaml")
    assert Config.from_yamls(config.yamls()).run_id == config.run_id
    assert config.yamls().index("a:") < config.yamls().index("zebra:")


@pytest.mark.parametrize("extension", [".json", ".yaml"])
@pytest.mark.parametrize(
    "text", ["\x85", "a\x85b", "\u2028", "\u2029", "\ufeffa", "\r\n", "\t", " a ", "=", "é\U0001f600", "\x00\x7f\x1b"]
)
def test_every_text_comes_back_character_for_character(tmp_path: Path, extension: str, text: str) -> None:
    pytest.importorskip("yaml")
    config = Config({"run_id": "given", "a": text, "b": {text: [text]}})
    config.save(tmp_path / f"c{extension}")
    loaded = Config.load(tmp_path / f"c{extension}")
    assert loaded == config
    assert loaded.run_uuid == config.run_uuid


def test_numbers_and_text_of_special_classes_are_saved_as_plain_ones() -> None:
    pytest.importorskip("yaml")
    config = Config(a=np.float64(0.5), b=http.HTTPStatus.OK, c=Word("w"))
    for loaded in (Config.from_yamls(config.yamls()), Config.from_jsons(config.jsons())):
        assert [(type(loaded[key]), loaded[key]) for key in "abc"] == [(float, 0.5), (int, 200), (str, "w")]
        assert loaded.run_uuid == config.run_uuid


def test_half_a_character_is_refused_with_its_key() -> None:
    with pytest.raises(WrongType, match=r"`a\.b\[1\]` has half of a character"):
        Config(a={"b": ["x", "\ud800"]})


def test_what_is_no_plain_data_is_refused_with_its_key() -> None:
    config = Config(run_id="given", a={"b": [object()]})
    for write in (config.jsons, lambda: config.run_uuid):
        with pytest.raises(TypeError, match=r"a\.b\[0\]"):
            write()


@pytest.mark.parametrize("text", ["[1]", "{", "3"])
def test_what_is_no_configuration_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        Config.from_jsons(text)
    pytest.importorskip("yaml")
    with pytest.raises(ConfigurationError):
        Config.from_yamls(text)


def test_yaml_runs_no_code() -> None:
    pytest.importorskip("yaml")
    with pytest.raises(ConfigurationError):
        Config.from_yamls("a: !!python/object/apply:os.getcwd []")


def test_other_extensions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"\.json"):
        Config().save(tmp_path / "c.toml")
    with pytest.raises(TypeError):
        Config.load(tmp_path / "c")


def test_copies_keep_the_identity_and_deep_ones_are_independent() -> None:
    config = Mine(a={"b": [1]}).freeze()
    for made in (copy.copy(config), config.copy(), copy.deepcopy(config), pickle.loads(pickle.dumps(config))):
        assert type(made) is Mine
        assert (made, made.run_id, made.run_uuid, made.frozen) == (config, config.run_id, config.run_uuid, True)
    deep = copy.deepcopy(config).defrost()
    deep.a.b.append(2)
    assert config.a.b == [1]


@pytest.mark.parametrize("key", [1, None, ("a",)])
def test_a_key_that_is_no_text_is_refused(key: Any) -> None:
    config = Config(run_id="given")
    for use in (config.__getitem__, config.__delitem__, config.pop):
        with pytest.raises(WrongType, match="key of a configuration is text such as `lr`"):
            use(key)
    with pytest.raises(ConfigurationError, match="key of a configuration is text such as `lr`"):
        config[key] = 1
    assert config.get(key, 5) == 5
    assert key not in config
    for text in ("", ".", "a.", "a..b"):
        with pytest.raises(ConfigurationError, match="text such as"):
            config[text] = 1


@pytest.mark.parametrize("given", [3, [1], "ab"])
def test_settings_that_are_no_mapping_are_refused(given: Any) -> None:
    for use in (Config, Config().update, Config().merge):
        with pytest.raises(ConfigurationError, match="Settings are a mapping"):
            use(given)


def test_files_and_texts_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_bytes(b"\xff{")
    with pytest.raises(ConfigurationError, match=r"c\.json` is no text in UTF-8"):
        Config.load(tmp_path / "c.json")
    with pytest.raises(WrongType, match="path, not 3"):
        Config.load(3)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="JSON"):
        Config.from_jsons(3)  # type: ignore[arg-type]
    pytest.importorskip("yaml")
    with pytest.raises(ConfigurationError, match="YAML"):
        Config.from_yamls(3)  # type: ignore[arg-type]


def test_a_setting_of_the_wrong_type_is_an_error_of_hangar_that_names_it() -> None:
    for values, error in (({"iters": "q"}, ConfigurationError), ({"iters": []}, WrongType), ({"seed": "5"}, WrongType)):
        with pytest.raises(error, match=f"The setting `{next(iter(values))}` is (an integer|int or None), not"):
            Config(values)


@pytest.mark.parametrize(
    "values",
    [{"iters": 1.5}, {"iters": float("nan")}, {"log": 2}, {"log": None}, {"log": []}, {"log": ""}, {"run_name": None}],
)
def test_a_setting_is_not_changed_in_silence(values: dict[str, Any]) -> None:
    name = next(iter(values))
    with pytest.raises((ConfigurationError, WrongType), match=f"The setting `{name}` is .*, not "):
        Config(values)
    config = Config(iters=2.0, log=np.int64(0), run_name=5)
    assert (config.iters, config.log, config.run_name) == (2, False, "5")
    assert (type(config.iters), type(config.log)) == (int, bool)
