module attendance-containers/pause

go 1.25.0
