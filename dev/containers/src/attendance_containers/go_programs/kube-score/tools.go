//go:build tools

// Package tools names the program that is built, so that `go mod tidy` locks what it needs.
package tools

import _ "github.com/zegl/kube-score/cmd/kube-score"
