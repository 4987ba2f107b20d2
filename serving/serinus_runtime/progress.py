"""How far a pod has come with its model, as the termination message tells it; shared by `preflight` and `serve`."""

from dataclasses import dataclass, field

from serinus_api.conditions import Reason
from serinus_api.runtime import Phase, PreflightReport
from serinus_runtime.cgroup import ControlGroup
from serinus_runtime.errors import ModelRefused
from serinus_runtime.report import TerminationMessage


@dataclass
class Progress:
    """The report so far, written anew at each step, with the highest memory use until then."""

    message: TerminationMessage
    group: ControlGroup
    report: PreflightReport = field(default_factory=lambda: PreflightReport(phase=Phase.RESOLVING))

    def enter(self, phase: Phase) -> None:
        """Tell that `phase` begins."""
        self.note(phase=phase)

    def note(self, **facts: object) -> None:
        """Tell new facts, by the names of the report's fields."""
        more = {"peak_bytes": self.group.memory_peak(), "limit_bytes": self.group.memory_limit()}
        self.report = self.report.model_copy(update=facts | more)
        self.message.write(self.report)

    def passed(self, message: str = "", **facts: object) -> None:
        """Tell the good end."""
        self.note(phase=Phase.DONE, reason=Reason.PASSED.value, message=message, **facts)

    def refused(self, refusal: ModelRefused) -> None:
        """Tell the verdict; the phase stays the one that found it."""
        self.note(reason=refusal.reason.value, message=refusal.message)
