// Package e2e runs the kith binary as people do: real processes with home
// directories of their own, on loopback and in network namespaces. Its tests
// are its only content.
package e2e
