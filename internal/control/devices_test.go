package control

import (
	"testing"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/node"
)

// TestFindDevice: what a device is called does not make it another one.
func TestFindDevice(t *testing.T) {
	made := func(first byte, name string) node.OwnDevice {
		return node.OwnDevice{Device: node.Device{ID: identity.DeviceID{first, 0xbb, 0xcc}, Name: name}}
	}
	phone, liar := made(0xaa, "phone"), made(0xdd, "Phone")
	posing := made(0xee, phone.ID.String())
	half := made(0xff, phone.ID.String()[:8])
	all := []node.OwnDevice{half, posing, liar, phone, made(0x11, "kitchen"), made(0x22, "kitten")}
	for _, test := range []struct {
		which string
		want  identity.DeviceID // zero: refused
	}{
		{phone.ID.String(), phone.ID},
		{"phone", identity.DeviceID{}},
		{phone.ID.String()[:8], identity.DeviceID{}},
		{phone.ID.String()[:20], phone.ID},
		{liar.ID.String()[:6], liar.ID},
		{"KITCHEN", identity.DeviceID{0x11, 0xbb, 0xcc}},
		{"kitc", identity.DeviceID{0x11, 0xbb, 0xcc}},
		{"kit", identity.DeviceID{}},
		{"", identity.DeviceID{}},
		{"desk", identity.DeviceID{}},
	} {
		d, err := findDevice(all, test.which)
		if d.ID != test.want || (err == nil) == (test.want == identity.DeviceID{}) {
			t.Errorf("%q: got %s %q, %v", test.which, d.ID.Short(), d.Name, err)
		}
	}
}
