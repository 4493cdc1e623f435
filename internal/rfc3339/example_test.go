package rfc3339_test

import (
	"fmt"

	"github.com/kith-im/kith/internal/rfc3339"
)

func Example() {
	t, err := rfc3339.Parse("1990-12-31T15:59:60-08:00") // a leap second
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(rfc3339.Format(t))
	// Output: 1991-01-01T00:00:00Z
}
