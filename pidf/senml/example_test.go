package senml_test

import (
	"fmt"
	"time"

	"github.com/kith-im/kith/pidf"
	"github.com/kith-im/kith/pidf/senml"
)

// A weather station publishes a reading in its tuple; a watcher reads it.
func Example() {
	measured := time.Date(2026, 11, 18, 10, 0, 0, 0, time.UTC)
	pack := senml.Pack{
		{BaseName: new("urn:dev:ow:10e2073a01080063:"), Name: "temp", Unit: new("Cel"), Value: new(4.5)},
		{Name: "wind", Unit: new("m/s"), Value: new(11.2), Time: -30},
	}
	readings, err := pack.Resolve(measured)
	if err != nil {
		fmt.Println(err)
		return
	}
	element, err := readings.Element()
	if err != nil {
		fmt.Println(err)
		return
	}
	doc, err := (&pidf.Presence{Entity: "pres:station@example.com", Tuples: []pidf.Tuple{{
		ID: "outside", Status: pidf.Status{Basic: pidf.Open}, Ext: []pidf.Element{element}, Timestamp: measured,
	}}}).Marshal()
	if err != nil {
		fmt.Println(err)
		return
	}

	seen, err := pidf.Parse(doc)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, t := range seen.Tuples {
		for _, e := range t.Ext {
			pack, ok, err := senml.FromElement(e)
			if !ok || err != nil {
				continue
			}
			list, err := pack.Resolve(t.Timestamp)
			if err != nil {
				continue
			}
			for _, r := range list {
				fmt.Println(r.At().Format(time.TimeOnly), r.Name, *r.Value, *r.Unit)
			}
		}
	}
	// Output:
	// 09:59:30 urn:dev:ow:10e2073a01080063:wind 11.2 m/s
	// 10:00:00 urn:dev:ow:10e2073a01080063:temp 4.5 Cel
}
