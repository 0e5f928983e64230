"""The attendance rules as pure functions: no clock, no I/O, no dependence on the order of facts.

Reading order: `facts` (what is known), `dated` (what holds by date), `schedule` (who works what on
which date), `shift_windows` (when an
instance of a shift takes punches), `ownership` (which instance a punch belongs to), `debounce`, `pairing`,
`counting`, `breaks`, `overtime`, `rounding`, `days_off` (leave, holidays, weekly offs), `absence` (days
without a punch), `status`, `flexible`, `day` (one attendance day), `corrections`, `override`, `attendance`
(all days of a range), `periods` (what payroll closed, and adjustments), `touched` (what a new fact makes
stale), `authority` (how far somebody may act). Each rule is one named function; its name is what a day's
explanation shows.
"""
