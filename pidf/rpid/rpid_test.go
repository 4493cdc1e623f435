package rpid_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/kith-im/kith/pidf/rpid"
)

// TestWords holds the lists to the schemas of RFC 4480 and RFC 4589: each empty
// element in an enumeration is known, and so is lunch, which the schema forgets.
func TestWords(t *testing.T) {
	schema, err := os.ReadFile("../testdata/schema/rpid.xsd")
	if err != nil {
		t.Fatal(err)
	}
	places, err := os.ReadFile("../testdata/schema/location-type.xsd")
	if err != nil {
		t.Fatal(err)
	}
	names := func(element string) []string {
		body := string(places)
		if element != "RFC4589" {
			_, body, _ = strings.Cut(string(schema), `<xs:element name="`+element+`"`)
			body, _, _ = strings.Cut(body, "</xs:complexType>")
		}
		var list []string
		for _, m := range regexp.MustCompile(`name="([a-z_-]+)"\s+type="empty"`).FindAllStringSubmatch(body, -1) {
			list = append(list, m[1])
		}
		return list
	}
	tests := []struct {
		element string
		count   int
		known   func(string) bool
	}{
		{"activities", 25, func(s string) bool { return rpid.Activity(s).Known() }},
		{"mood", 60, func(s string) bool { return rpid.Mood(s).Known() }},
		{"sphere", 3, func(s string) bool { return rpid.Role(s).Known() }},
		{"relationship", 7, func(s string) bool { return rpid.Relation(s).Known() }},
		{"service-class", 6, func(s string) bool { return rpid.Delivery(s).Known() }},
		{"RFC4589", 43, func(s string) bool { return rpid.Place(s).Known() }},
		{"audio", 4, func(s string) bool { return rpid.Sound(s).Known() }},
		{"video", 4, func(s string) bool { return rpid.Light(s).Known() }},
		{"text", 4, func(s string) bool { return rpid.Typing(s).Known() }},
	}
	for _, tt := range tests {
		list := names(tt.element)
		if len(list) != tt.count {
			t.Errorf("%s: %d words in the schema, want %d: %v", tt.element, len(list), tt.count, list)
		}
		for _, word := range list {
			if !tt.known(word) {
				t.Errorf("%s: %s is not known", tt.element, word)
			}
		}
		for _, word := range []string{"", "Away", "note", "lunch-box"} {
			if tt.known(word) {
				t.Errorf("%s: %q is known", tt.element, word)
			}
		}
	}
	if !rpid.Lunch.Known() || !rpid.Idle.Known() || rpid.Input("away").Known() {
		t.Error("Known is wrong")
	}
}

func TestAt(t *testing.T) {
	noon := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	list := []rpid.Activities{
		{Span: rpid.Span{Until: noon}, Values: []rpid.Activity{rpid.Meeting}},
		{Span: rpid.Span{From: noon, Until: noon.Add(time.Hour)}, Values: []rpid.Activity{rpid.Meal}},
	}
	for _, tt := range []struct {
		at   time.Duration
		want rpid.Activity
	}{{-1, rpid.Meeting}, {0, rpid.Meal}, {time.Hour - 1, rpid.Meal}, {time.Hour, ""}} {
		got, ok := rpid.At(list, noon.Add(tt.at))
		if ok != (tt.want != "") || ok && got.Values[0] != tt.want {
			t.Errorf("%v: got %v, %v, want %s", tt.at, got.Values, ok, tt.want)
		}
	}
}

func ExampleAt() {
	monday := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	week := []rpid.Activities{
		{Span: rpid.Span{Until: monday}, Values: []rpid.Activity{rpid.Vacation}},
		{Span: rpid.Span{From: monday}, Values: []rpid.Activity{rpid.Working}},
	}
	now, ok := rpid.At(week, monday.Add(-time.Hour))
	fmt.Println(now.Values, ok)
	// Output: [vacation] true
}
