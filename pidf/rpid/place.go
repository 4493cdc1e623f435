package rpid

// LocationType is the XML namespace of the places of RFC 4589.
const LocationType = "urn:ietf:params:xml:ns:location-type"

// OK says of any medium that the place suits it. It is untyped and fits Sound,
// Light and Typing.
const OK = "ok"

// PlaceType says at what kind of place a person is (section 3.7). At least one
// of Values, Other and Ext is present.
type PlaceType struct {
	ID string
	Span
	Attrs  []Attr
	Notes  []Note
	Values []Place
	Other  []Note // places that have no word, as text
	Ext    []Foreign
}

// Place is one word of PlaceType: a constant below, or Unknown. It is a token
// for programs, not to be shown as it is (RFC 4589 section 6).
type Place string

// The places of RFC 4589 section 3.
const (
	Aircraft         Place = "aircraft"
	Airport          Place = "airport"
	Arena            Place = "arena"
	Automobile       Place = "automobile"
	Bank             Place = "bank"
	Bar              Place = "bar"
	Bicycle          Place = "bicycle" // the schema spells it bicyle, which is read too
	Bus              Place = "bus"
	BusStation       Place = "bus-station"
	Cafe             Place = "cafe"
	Classroom        Place = "classroom"
	Club             Place = "club"
	Construction     Place = "construction"
	ConventionCenter Place = "convention-center"
	Government       Place = "government"
	Hospital         Place = "hospital"
	Hotel            Place = "hotel"
	Industrial       Place = "industrial"
	Library          Place = "library"
	Motorcycle       Place = "motorcycle"
	Office           Place = "office"
	Outdoors         Place = "outdoors"
	Parking          Place = "parking"
	PlaceOfWorship   Place = "place-of-worship"
	Prison           Place = "prison"
	Public           Place = "public" // of many kinds, conveyances included
	PublicTransport  Place = "public-transport"
	Residence        Place = "residence" // anybody's
	Restaurant       Place = "restaurant"
	School           Place = "school"
	ShoppingArea     Place = "shopping-area"
	Stadium          Place = "stadium"
	Store            Place = "store"
	Street           Place = "street"
	Theater          Place = "theater"
	Train            Place = "train"
	TrainStation     Place = "train-station"
	Truck            Place = "truck"
	Underway         Place = "underway" // in a vehicle in motion
	Warehouse        Place = "warehouse"
	Water            Place = "water"
	Watercraft       Place = "watercraft"
)

// Known reports whether RFC 4589 defines p.
func (p Place) Known() bool {
	switch p {
	case Aircraft, Airport, Arena, Automobile, Bank, Bar, Bicycle, Bus, BusStation, Cafe, Classroom, Club,
		Construction, ConventionCenter, Government, Hospital, Hotel, Industrial, Library, Motorcycle,
		Office, Outdoors, Parking, PlaceOfWorship, Prison, Public, PublicTransport, Residence,
		Restaurant, School, ShoppingArea, Stadium, Store, Street, Theater, Train, TrainStation, Truck,
		Underway, Warehouse, Water, Watercraft, Unknown:
		return true
	}
	return false
}

// PlaceIs says for which media the place of a person is suited (section 3.6).
// What is empty is unstated.
type PlaceIs struct {
	ID string
	Span
	Attrs []Attr
	Notes []Note
	Audio Sound
	Video Light
	Text  Typing
}

// Sound is what a place means for audio: Noisy, Quiet, OK or Unknown.
type Sound string

// Light is what a place means for video: TooBright, Dark, OK or Unknown.
type Light string

// Typing is what a place means for text: Uncomfortable, Inappropriate, OK or
// Unknown.
type Typing string

// The properties of section 3.6.
const (
	Noisy         Sound  = "noisy"     // makes audio difficult
	Quiet         Sound  = "quiet"     // discourages conversation
	TooBright     Light  = "toobright" // the text under this word says: bright enough
	Dark          Light  = "dark"      // too dark for a camera
	Uncomfortable Typing = "uncomfortable"
	Inappropriate Typing = "inappropriate"
)

// Known reports whether RFC 4480 defines s.
func (s Sound) Known() bool { return s == Noisy || s == Quiet || s == OK || s == Unknown }

// Known reports whether RFC 4480 defines l.
func (l Light) Known() bool { return l == TooBright || l == Dark || l == OK || l == Unknown }

// Known reports whether RFC 4480 defines t.
func (t Typing) Known() bool {
	return t == Uncomfortable || t == Inappropriate || t == OK || t == Unknown
}

// Privacy names the media that bystanders are unlikely to intercept (section
// 3.8). It speaks of the surroundings, not of the security of any channel.
type Privacy struct {
	ID string
	Span
	Attrs              []Attr
	Notes              []Note
	Audio, Text, Video bool
	Unknown            bool // excludes the three and Ext
	Ext                []Foreign
}
