"""How large an installation must be: from people and kiosks to partitions, processes, memory and disks.

`measured` holds what benchmarks found, each figure with the page that has it; `site` what somebody plans;
`capacity` the calculation; `show` its words. Prices are left to others: `capacity` names what costs follow.
"""
