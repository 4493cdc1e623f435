package rpid

// Activity is one word of Activities: a constant below, or Unknown.
type Activity string

// The activities of section 3.2.
const (
	Appointment      Activity = "appointment"
	Away             Activity = "away" // physically away from every device
	Breakfast        Activity = "breakfast"
	Busy             Activity = "busy" // without further detail
	Dinner           Activity = "dinner"
	Holiday          Activity = "holiday"
	InTransit        Activity = "in-transit" // riding, not steering
	LookingForWork   Activity = "looking-for-work"
	Lunch            Activity = "lunch"   // read; Marshal writes Meal, since the schema forgets it
	Meal             Activity = "meal"    // which one is not said
	Meeting          Activity = "meeting" // an assembly, a kind of appointment
	OnThePhone       Activity = "on-the-phone"
	Performance      Activity = "performance"
	PermanentAbsence Activity = "permanent-absence" // will not return
	Playing          Activity = "playing"
	Presentation     Activity = "presentation"
	Shopping         Activity = "shopping"
	Sleeping         Activity = "sleeping"
	Spectator        Activity = "spectator" // observing an event
	Steering         Activity = "steering"
	Travel           Activity = "travel"
	TV               Activity = "tv" // watching television
	Vacation         Activity = "vacation"
	Working          Activity = "working"
	Worship          Activity = "worship"
)

// Known reports whether RFC 4480 defines a.
func (a Activity) Known() bool {
	switch a {
	case Appointment, Away, Breakfast, Busy, Dinner, Holiday, InTransit, LookingForWork, Lunch, Meal,
		Meeting, OnThePhone, Performance, PermanentAbsence, Playing, Presentation, Shopping, Sleeping,
		Spectator, Steering, Travel, TV, Vacation, Working, Worship, Unknown:
		return true
	}
	return false
}
