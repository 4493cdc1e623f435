package rpid

// ServiceClass says by what means a service delivers (section 3.10).
type ServiceClass struct {
	Notes []Note
	Value Delivery
	Ext   []Foreign
}

// Physical reports whether the service is not reached by a URI: Value is
// Courier, Freight, InPerson or Postal, which section 3.10 forbids beside a
// contact that is not empty.
func (s *ServiceClass) Physical() bool {
	switch s.Value {
	case Courier, Freight, InPerson, Postal:
		return true
	}
	return false
}

// Delivery is the value of a ServiceClass: a constant below, Unknown, or empty
// for one of another vocabulary.
type Delivery string

// The means of section 3.10.
const (
	Courier    Delivery = "courier"
	Electronic Delivery = "electronic" // what a tuple without service class is
	Freight    Delivery = "freight"
	InPerson   Delivery = "in-person" // a place to visit
	Postal     Delivery = "postal"
)

// Known reports whether RFC 4480 defines d.
func (d Delivery) Known() bool {
	switch d {
	case Courier, Electronic, Freight, InPerson, Postal, Unknown:
		return true
	}
	return false
}

// StatusIcon is a picture of what a person or service is doing (section 3.12).
// To fetch the URI tells its owner who is watching, from where and when; show
// it unasked only if it is a data: URI or named by its content.
type StatusIcon struct {
	ID string
	Span
	Attrs []Attr
	URI   string // absolute
}

// MaxOffset bounds TimeOffset.Minutes in both directions.
const MaxOffset = 24 * 60

// TimeOffset is how far the clocks around a person are ahead of UTC (section
// 3.13). It tells roughly where the person is: publish it by choice only.
type TimeOffset struct {
	ID string
	Span
	Attrs       []Attr
	Minutes     int  // positive to the east, within MaxOffset
	Description Note // of the offset, for people; Text is empty if there is none
}
