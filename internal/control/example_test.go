package control_test

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/kith-im/kith/internal/control"
)

// A program that shows who is there.
func ExampleDial() {
	home, err := os.MkdirTemp("", "kith-example-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(home)

	c := control.Dial(home)
	defer c.Close()
	contacts, err := c.Contacts(context.Background())
	if errors.Is(err, control.ErrNoNode) {
		fmt.Println("start a node with `kith up`")
	}
	for _, contact := range contacts {
		fmt.Println(contact.Name, contact.Show, contact.Liveness)
	}
	// Output: start a node with `kith up`
}
