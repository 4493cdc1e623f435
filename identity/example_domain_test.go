package identity_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/kith-im/kith/identity"
)

// A holder of a domain gives somebody an address, and a third person finds the account that has it.
func ExampleDomain_Enrol() {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	dir, err := os.MkdirTemp("", "kith")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	domain, err := identity.CreateDomain(filepath.Join(dir, "domain"), "example.com", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer domain.Close()

	// Fred asks, the holder of the domain agrees, and Fred accepts.
	fred, err := identity.ParseAddress("im:fred@example.com")
	if err != nil {
		log.Fatal(err)
	}
	home := filepath.Join(dir, "fred")
	request, err := identity.RequestAccount(home, fred, domain.Key(), nil)
	if err != nil {
		log.Fatal(err)
	}
	grant, err := domain.Enrol(request, identity.Enrolment{Until: now.AddDate(1, 0, 0), Days: 30}, now)
	if err != nil {
		log.Fatal(err)
	}
	keys, err := identity.AcceptAccount(home, grant, nil, now)
	if err != nil {
		log.Fatal(err)
	}

	// Fred's node publishes the records; who has the key from the zone of example.com finds them.
	records, _, err := keys.NameRecords(now)
	if err != nil {
		log.Fatal(err)
	}
	found, err := identity.OpenRecord(identity.Locator{Address: fred, Domain: domain.Key()}, records[0].Key, records[0].Value, now)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(found.Name.Address, found.Name.Account.Equal(keys.Locator().Account))
	// Output: fred@example.com true
}
