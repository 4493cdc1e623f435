package rpid

// Mood is one word of Moods: a constant below, or Unknown.
type Mood string

// The moods of section 3.5.
const (
	Afraid       Mood = "afraid"
	Amazed       Mood = "amazed"
	Angry        Mood = "angry"
	Annoyed      Mood = "annoyed"
	Anxious      Mood = "anxious"
	Ashamed      Mood = "ashamed"
	Bored        Mood = "bored"
	Brave        Mood = "brave"
	Calm         Mood = "calm"
	Cold         Mood = "cold"
	Confused     Mood = "confused"
	Contented    Mood = "contented"
	Cranky       Mood = "cranky"
	Curious      Mood = "curious"
	Depressed    Mood = "depressed"
	Disappointed Mood = "disappointed"
	Disgusted    Mood = "disgusted"
	Distracted   Mood = "distracted"
	Embarrassed  Mood = "embarrassed"
	Excited      Mood = "excited"
	Flirtatious  Mood = "flirtatious"
	Frustrated   Mood = "frustrated"
	Grumpy       Mood = "grumpy"
	Guilty       Mood = "guilty"
	Happy        Mood = "happy"
	Hot          Mood = "hot"
	Humbled      Mood = "humbled"
	Humiliated   Mood = "humiliated"
	Hungry       Mood = "hungry"
	Hurt         Mood = "hurt"
	Impressed    Mood = "impressed"
	InAwe        Mood = "in_awe"
	InLove       Mood = "in_love"
	Indignant    Mood = "indignant"
	Interested   Mood = "interested"
	Invincible   Mood = "invincible"
	Jealous      Mood = "jealous"
	Lonely       Mood = "lonely"
	Mean         Mood = "mean"
	Moody        Mood = "moody"
	Nervous      Mood = "nervous"
	Neutral      Mood = "neutral"
	Offended     Mood = "offended"
	Playful      Mood = "playful"
	Proud        Mood = "proud"
	Relieved     Mood = "relieved"
	Remorseful   Mood = "remorseful"
	Restless     Mood = "restless"
	Sad          Mood = "sad"
	Sarcastic    Mood = "sarcastic"
	Serious      Mood = "serious"
	Shocked      Mood = "shocked"
	Shy          Mood = "shy"
	Sick         Mood = "sick"
	Sleepy       Mood = "sleepy"
	Stressed     Mood = "stressed"
	Surprised    Mood = "surprised"
	Thirsty      Mood = "thirsty"
	Worried      Mood = "worried"
)

// Known reports whether RFC 4480 defines m.
func (m Mood) Known() bool {
	switch m {
	case Afraid, Amazed, Angry, Annoyed, Anxious, Ashamed, Bored, Brave, Calm, Cold, Confused, Contented,
		Cranky, Curious, Depressed, Disappointed, Disgusted, Distracted, Embarrassed, Excited,
		Flirtatious, Frustrated, Grumpy, Guilty, Happy, Hot, Humbled, Humiliated, Hungry, Hurt,
		Impressed, InAwe, InLove, Indignant, Interested, Invincible, Jealous, Lonely, Mean, Moody,
		Nervous, Neutral, Offended, Playful, Proud, Relieved, Remorseful, Restless, Sad, Sarcastic,
		Serious, Shocked, Shy, Sick, Sleepy, Stressed, Surprised, Thirsty, Worried, Unknown:
		return true
	}
	return false
}
