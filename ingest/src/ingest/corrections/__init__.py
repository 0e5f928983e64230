"""What people correct, and the periods that payroll closes."""
