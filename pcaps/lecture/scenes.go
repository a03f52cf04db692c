package main

// scenes are the set, in the order of a lecture.
func scenes() []*scene {
	return []*scene{
		handshake(), refused(), dataAndACK(), byteStream(), blockedRecv(), halfClose(), fourWayClose(), recvZero(),
		listenerClosed(), twoClients(), fullBacklog(), unreadData(), lingerZero(), killedProcess(),
		lostSegment(), corruptedSegment(), zeroWindow(), timeWait(), besideUDP(),
	}
}
