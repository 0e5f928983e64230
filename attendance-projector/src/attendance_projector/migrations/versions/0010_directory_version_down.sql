DROP SEQUENCE directory_version;
