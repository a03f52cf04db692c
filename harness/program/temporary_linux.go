//go:build amd64 || arm64

package program

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// errStuck says that the program cannot be started any more from this thread.
var errStuck = errors.New("what the program needs is out of reach")

// ownTemporary gives the calling thread, and what is forked from it, folders for temporary files of its own:
// it sees what is in the machine's, and what it changes there nobody else sees. The evidence, the harness's
// own files and the folders of other programs can lie there. At most limit bytes can be written, if it is
// not negative. All else but the working folder is made read-only, also to those changes that Landlock does
// not know, such as chmod.
//
// The thread must be one that ends with the program, because it stays in a mount namespace of its own. The
// error says what the machine does not allow; the program can start all the same, but for errStuck.
func (f *folder) ownTemporary(limit int64) error {
	own := filepath.Join(f.outer, "own")
	if err := unix.Mkdir(own, 0o700); err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("unshare the mount namespace: %w", err)
	}
	// Or else what is mounted here would be mounted for all.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	work, err := unix.OpenTree(unix.AT_FDCWD, f.work, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC) // soon out of sight
	if err != nil {
		return fmt.Errorf("open the working folder: %w", err)
	}
	defer unix.Close(work)
	options := "mode=0700"
	if limit >= 0 {
		options += fmt.Sprintf(",size=%d", max(limit, 1)) // 0 would be no limit
	}
	if err := unix.Mount("tmpfs", own, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		return fmt.Errorf("mount a tmpfs: %w", err)
	}
	if err := unix.Chdir(own); err != nil {
		return fmt.Errorf("enter the tmpfs: %w", err)
	}
	covered, coverErr := coverAll()
	// The covers hold it. There is no other way to it from now on.
	err = errors.Join(unix.Unmount(".", unix.MNT_DETACH), unix.Chdir("/"))
	if err == nil && coverErr == nil {
		err = freeze(covered)
	}
	if err := unix.MoveMount(work, "", unix.AT_FDCWD, f.work, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("%w: mount the working folder: %w", errStuck, err)
	}
	return errors.Join(coverErr, err)
}

// freeze makes all that is mounted read-only, but for some mounts and /proc, where the harness itself has to
// write.
func freeze(but []string) error {
	var proc unix.Statfs_t
	if err := unix.Statfs("/proc", &proc); err == nil && proc.Flags&unix.ST_RDONLY == 0 { // else it must stay so
		but = append(but, "/proc")
	}
	readOnly := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	if err := unix.MountSetattr(unix.AT_FDCWD, "/", unix.AT_RECURSIVE, &readOnly); err != nil {
		return fmt.Errorf("make mounts read-only: %w", err)
	}
	for _, path := range but {
		writable := unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_RDONLY}
		if err := unix.MountSetattr(unix.AT_FDCWD, path, 0, &writable); err != nil {
			return fmt.Errorf("%w: make %s writable: %w", errStuck, path, err)
		}
	}
	return nil
}

// coverAll covers each of the folders that is there, with changes kept in the current one.
func coverAll() (covered []string, err error) {
	var errs []error
	for i, name := range temporaryFolders {
		path, err := filepath.EvalSymlinks(name)
		if errors.Is(err, fs.ErrNotExist) || slices.Contains(covered, path) {
			continue
		}
		if err == nil {
			if err = cover(path, strconv.Itoa(i)); err == nil {
				covered = append(covered, path)
			}
		}
		errs = append(errs, err)
	}
	return covered, errors.Join(errs...)
}

// cover mounts over a folder one that shows the same and keeps all changes in changes, which it makes.
func cover(path, changes string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	upper, scratch := changes+"/upper", changes+"/work"
	for _, dir := range []string{changes, upper, scratch} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
	}
	if err := os.Chmod(upper, info.Mode()); err != nil { // with the sticky bit
		return err
	}
	// Relative paths, because options cannot hold every character.
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", path, upper, scratch)
	if !realRoot() {
		options += ",userxattr"
	}
	if err := unix.Mount("overlay", path, "overlay", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		return fmt.Errorf("mount over %s: %w", path, err)
	}
	return nil
}

// Probe finds out by trying what the machine offers. It is meant to be called once, and takes a millisecond.
func Probe() Confinement {
	c := Confinement{Files: true}
	if _, err := landlockABI(); err != nil {
		c.Files, c.WhyNotFiles = false, err.Error()
	}
	folder, err := newFolder()
	if err == nil {
		tried := make(chan error)
		go onOwnThread(func() { tried <- folder.ownTemporary(mib) })
		err = errors.Join(<-tried, folder.remove())
	}
	if err != nil {
		c.WhyNotTemporary = err.Error()
	}
	c.Temporary = err == nil
	return c
}

// coverTemporary gives the calling thread temporary folders of its own where the machine allows it, and
// where Landlock keeps the program from the rest of the machine, which is what they are for.
func (l *launch) coverTemporary() error {
	if _, err := landlockABI(); err != nil {
		return nil
	}
	if err := l.folder.ownTemporary(l.limits.Folder); errors.Is(err, errStuck) {
		return err
	}
	return nil
}
