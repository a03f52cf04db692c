package dialogue

import (
	"fmt"

	"tcpwitness/harness/evidence"
)

// Scenes lists what is played with a program in a role, evidence.Server or evidence.Client, the plain
// exchange first.
func Scenes(role string) []evidence.Scene {
	if role == evidence.Server {
		return []evidence.Scene{
			evidence.ScenePlain, evidence.SceneByteByByte, evidence.SceneFullMessage, evidence.SceneSilent,
			evidence.SceneResetBefore, evidence.SceneResetAfter, evidence.SceneTwoClients, evidence.SceneManyClients,
			evidence.SceneRestart, evidence.ScenePortInUse, evidence.SceneNoArguments,
		}
	}
	return []evidence.Scene{
		evidence.ScenePlain, evidence.SceneByteByByte, evidence.SceneClosedBefore, evidence.SceneClosedAfter,
		evidence.SceneResetServer, evidence.SceneRefused, evidence.SceneEmptyInput, evidence.SceneShortSend,
		evidence.SceneNoArguments,
	}
}

// greatestPlayed is the longest full message that is played, in bytes.
const greatestPlayed = 4096

// Meaningless says why a scene has no meaning for a program in a role, as a clause that can follow
// "because"; it is empty where the scene is to be played.
func (d *Dialogue) Meaningless(role string, scene evidence.Scene) string {
	if why := d.skip[scene]; why != "" {
		return why
	}
	if role == evidence.Server {
		return d.meaninglessForServer(scene)
	}
	return d.meaninglessForClient(scene)
}

func (d *Dialogue) meaninglessForServer(scene evidence.Scene) string {
	switch scene {
	case evidence.SceneByteByByte, evidence.SceneResetAfter:
		return d.unlessSends()
	case evidence.SceneFullMessage:
		n, bounded := d.MaxText()
		if !bounded || n > greatestPlayed || d.FixedText != "" {
			return "a message has no greatest length in this dialogue"
		}
	case evidence.SceneTwoClients:
		if !d.Concurrent {
			return "the dialogue does not say that the server is concurrent"
		}
		return d.unlessSends()
	case evidence.SceneManyClients:
		if !d.StaysUp() {
			return fmt.Sprintf("the dialogue has the server end by itself after %s", clients(d.Serves))
		}
	}
	return ""
}

func (d *Dialogue) meaninglessForClient(scene evidence.Scene) string {
	switch scene {
	case evidence.SceneByteByByte:
		if !d.Replies() {
			return "the server sends nothing in this dialogue"
		}
	case evidence.SceneClosedBefore, evidence.SceneEmptyInput, evidence.SceneShortSend:
		return d.unlessSends()
	case evidence.SceneClosedAfter:
		if !d.Replies() {
			return "in this dialogue the server always closes without a reply"
		}
		return d.unlessSends()
	}
	return ""
}

func (d *Dialogue) unlessSends() string {
	if d.Sends() {
		return ""
	}
	return "the client sends nothing in this dialogue"
}

func clients(n int) string {
	if n == 1 {
		return "one client"
	}
	return fmt.Sprintf("%d clients", n)
}

// Script begins the script of a scene: what is the same for every exchange. Connections and lines are for
// the player to add, from Exchange, when the addresses are known.
func (d *Dialogue) Script(role string, scene evidence.Scene) *evidence.Script {
	return &evidence.Script{
		Scene:      scene,
		Role:       role,
		First:      d.First,
		Framing:    d.Framing,
		StaysUp:    role == evidence.Server && d.StaysUp(),
		Concurrent: role == evidence.Server && d.Concurrent,
		Unplayed:   d.Meaningless(role, scene),
	}
}
