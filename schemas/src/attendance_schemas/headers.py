"""Headers of records that mean something to a consumer, beside those of traces and of dead letters."""

# On a capture or an enrolment that is to be decided again, though it was decided before: which decision this
# is, in decimal digits. Without it, it is the first one, 0. A decision of a higher round supersedes.
DECISION_ROUND = "decision-round"
