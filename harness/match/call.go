package match

import (
	"fmt"
	"slices"
	"strings"

	"github.com/onsi/gomega/types"

	"tcpwitness/harness/evidence"
)

// HaveSucceeded holds of a call that returned without a failure.
func HaveSucceeded() types.GomegaMatcher {
	return ofCall("have succeeded", func(c evidence.Call) mismatch {
		switch {
		case !c.Returned():
			return "it has not returned"
		case c.Errno != "":
			return but("it failed with %s", c.Errno)
		case c.Result < 0:
			return but("it returned %d", c.Result)
		}
		return ""
	})
}

// HaveReturned holds of a call that returned this value and no error.
func HaveReturned(value int) types.GomegaMatcher {
	return ofCall(fmt.Sprintf("have returned %d", value), func(c evidence.Call) mismatch {
		switch {
		case !c.Returned():
			return "it has not returned"
		case c.Errno != "":
			return but("it failed with %s", c.Errno)
		case c.Result != value:
			return but("it returned %d", c.Result)
		}
		return ""
	})
}

// HaveFailedWith holds of a call that returned −1 with one of these values of errno, such as "EBADF".
func HaveFailedWith(errnos ...string) types.GomegaMatcher {
	return ofCall("have returned -1 with "+strings.Join(errnos, " or "), func(c evidence.Call) mismatch {
		switch {
		case !c.Returned():
			return "it has not returned"
		case c.Result != -1:
			return but("it returned %d", c.Result)
		case !slices.Contains(errnos, c.Errno):
			return but("errno is %s", orNone(c.Errno))
		}
		return ""
	})
}

func orNone(errno string) string {
	if errno == "" {
		return "0"
	}
	return errno
}

// BeBlocked holds of a call that has not returned and whose thread was seen asleep in it.
func BeBlocked() types.GomegaMatcher {
	return ofCall("be blocked", func(c evidence.Call) mismatch {
		switch {
		case c.Returned():
			return "it has returned"
		case !c.Blocked:
			return "its thread was not seen asleep in it"
		}
		return ""
	})
}

// HaveReturnedAfter holds of a call that came back only after another one had been entered.
func HaveReturnedAfter(other evidence.Call) types.GomegaMatcher {
	return ofCall("have returned after "+other.String()+" was called", func(c evidence.Call) mismatch {
		switch {
		case !c.Returned():
			return "it has not returned"
		case c.Exit < other.Entry:
			return but("it returned %v before", other.Entry.Sub(c.Exit))
		}
		return ""
	})
}

// BeFresh holds of a call that made a descriptor which was not open before.
func BeFresh() types.GomegaMatcher {
	return ofDescriptors("have made a descriptor that was not open before", func(c evidence.Call) mismatch {
		switch {
		case !c.Succeeded():
			return "it did not succeed"
		case c.NewFD == nil:
			return "it made no descriptor"
		case *c.NewFD == c.FD:
			return but("descriptor %d is the one that it was called on", c.FD)
		case slices.Contains(c.Before, *c.NewFD):
			return but("descriptor %d was open before (open: %v)", *c.NewFD, c.Before)
		case !slices.Contains(c.After, *c.NewFD):
			return but("descriptor %d is not open afterwards (open: %v)", *c.NewFD, c.After)
		}
		return ""
	})
}

// HaveCreatedNoDescriptor holds of a call after which no descriptor is open that was not open before, and
// none is gone.
func HaveCreatedNoDescriptor() types.GomegaMatcher {
	return ofDescriptors("have left the set of open descriptors as it was", func(c evidence.Call) mismatch {
		switch {
		case !c.Returned():
			return "it has not returned"
		case !slices.Equal(c.Before, c.After):
			return but("open before: %v, open after: %v", c.Before, c.After)
		}
		return ""
	})
}
