"""Who is enrolled for which model: a model that knows fewer people than the deciding one would lose them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from recognition_worker.domain.identity import ModelId, Person
from recognition_worker.errors import RolloutRefused


@dataclass(frozen=True, slots=True)
class Coverage:
    """The people with templates by model."""

    people: Mapping[ModelId, frozenset[Person]]

    @classmethod
    def of(cls, templates: Iterable[tuple[ModelId, Person]]) -> "Coverage":
        """Collect templates."""
        found: dict[ModelId, set[Person]] = {}
        for model, person in templates:
            found.setdefault(model, set()).add(person)
        return cls({model: frozenset(people) for model, people in found.items()})

    def count(self, model: ModelId) -> int:
        """Count the people with at least one template of a model."""
        return len(self.people.get(model, ()))

    def missing(self, candidate: ModelId, deciding: ModelId) -> int:
        """Count the people whom the deciding model knows and the candidate does not."""
        return len(self.people.get(deciding, frozenset()) - self.people.get(candidate, frozenset()))

    def require_complete(self, candidate: ModelId, deciding: ModelId) -> None:
        """Refuse to let a model decide that does not know everybody.

        Raises:
            RolloutRefused: somebody is missing.
        """
        if missing := self.missing(candidate, deciding):
            name = f"{candidate.name}@{candidate.version}"
            raise RolloutRefused(
                f"{candidate} has templates of {self.count(candidate)} people, {missing} of the "
                f"{self.count(deciding)} that {deciding} knows are missing and would not be found: run "
                f"`recognition-worker re-enrol --model {name}`, or repeat with --force to leave "
                f"these {missing} out"
            )
