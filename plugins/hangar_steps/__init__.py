"""Computations named like data: steps with results that are kept, derived arraysets, parameters, runs.

docs/steps.md is the way in.
"""

from __future__ import annotations

from hangar_steps.config import Config
from hangar_steps.datasets import DatasetDict
from hangar_steps.decorating import step
from hangar_steps.deriving import Derived, derive
from hangar_steps.errors import BadResult, ConfigurationError, NoFormatFor, StepError, StepNotFound, StepWarning
from hangar_steps.formats import (
    ArraysetFormat,
    AutoFormat,
    Format,
    JsonFormat,
    NumpyFormat,
    PickleFormat,
    TextFormat,
    result_class,
)
from hangar_steps.params import ExperimentParameters, set_hash_functions
from hangar_steps.printing import PrintStep
from hangar_steps.registry import register, step_class
from hangar_steps.remixing import DatasetCombineStep, DatasetRemixStep
from hangar_steps.resolving import WithUnresolvedSteps
from hangar_steps.resources import StepResources
from hangar_steps.run_records import RunRecord
from hangar_steps.runs import Run
from hangar_steps.shell import ShellStep
from hangar_steps.step import Step
from hangar_steps.workspaces import LocalWorkspace, MemoryWorkspace, RepositoryWorkspace, StepState, Workspace

__all__ = [
    "ArraysetFormat",
    "AutoFormat",
    "BadResult",
    "Config",
    "ConfigurationError",
    "DatasetCombineStep",
    "DatasetDict",
    "DatasetRemixStep",
    "Derived",
    "ExperimentParameters",
    "Format",
    "JsonFormat",
    "LocalWorkspace",
    "MemoryWorkspace",
    "NoFormatFor",
    "NumpyFormat",
    "PickleFormat",
    "PrintStep",
    "RepositoryWorkspace",
    "Run",
    "RunRecord",
    "ShellStep",
    "Step",
    "StepError",
    "StepNotFound",
    "StepResources",
    "StepState",
    "StepWarning",
    "TextFormat",
    "WithUnresolvedSteps",
    "Workspace",
    "derive",
    "register",
    "result_class",
    "set_hash_functions",
    "step",
    "step_class",
]
