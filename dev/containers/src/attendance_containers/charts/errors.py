"""Errors of the charts; each message says what is wrong, and with which object."""

from attendance_containers.errors import ContainersError


class NotInStep(ContainersError):
    """A file that is made from another one differs from it; the message says how to make it again."""


class ChartWrong(ContainersError):
    """A chart does not render, or renders what Kubernetes or an operator would not take."""
