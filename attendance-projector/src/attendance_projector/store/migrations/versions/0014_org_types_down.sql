ALTER TABLE organisation DROP COLUMN org_type, DROP COLUMN default_policy, DROP COLUMN default_policy_on;
