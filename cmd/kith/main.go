// Command kith is a node of the kith network, and the way to talk to it.
//
// kith demo shows all of it on one machine; kith up runs a node; every other
// command asks the node that runs on the same home directory.
package main

import "os"

func main() {
	os.Exit(kith(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
