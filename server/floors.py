"""What the floors below the HTTP face offer, as the face takes it."""

from __future__ import annotations

from dataclasses import dataclass

from automations.directory import RuleDirectory
from automations.following import RuleFollowing
from automations.occasions import Occasions
from automations.rulebook import Rulebook
from automations.ruleset import Ruleset
from base.clock import ClockWatch
from base.database import Database
from base.metrics import Metrics
from base.services import Service
from base.settings import Settings
from engine.control import Control
from engine.launcher import ProcessLauncher
from engine.recorder import Recorder
from engine.registry import Registry
from engine.rescue import Rescue
from engine.worker import Worker
from events.journal import Journal
from events.seen import Seen
from server.hooks import Hooks
from server.skew import ClockSkew
from server.storage import Outgoing, Storage
from server.watch import FolderWatch
from triggers.evaluator import TriggerEvaluator
from triggers.timers import Timers


@dataclass(frozen=True, slots=True)
class Floors:
    """What the floors below this one offer, each part once."""

    settings: Settings
    metrics: Metrics
    database: Database
    seen: Seen
    journal: Journal
    storage: Storage
    clock: ClockWatch
    evaluator: TriggerEvaluator
    timers: Timers
    rules: Ruleset
    rulebook: Rulebook
    following: RuleFollowing | None
    skew: ClockSkew | None
    directory: RuleDirectory
    occasions: Occasions
    dispatcher: Outgoing
    engine: Engine
    hooks: Hooks


@dataclass(frozen=True, slots=True)
class Engine:
    """The parts of the engine."""

    control: Control
    recorder: Recorder
    launcher: ProcessLauncher
    registry: Registry
    watch: FolderWatch
    worker: Worker
    rescue: Rescue

    @property
    def services(self) -> list[Service]:
        """In the order in which they start; the launcher and the registry do so before them."""
        return [self.recorder, self.watch, self.worker, self.rescue]
