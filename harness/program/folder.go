package program

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// folder is the temporary working folder of one run: a folder that only its owner can enter, and in it the
// one in which the program starts.
type folder struct {
	outer, work         string
	outerFile, workFile *os.File // held open to find the two again, wherever they have been moved to
}

// newFolder makes one below the harness's temporary folder.
func newFolder() (*folder, error) {
	outer, err := os.MkdirTemp("", "tcpwitness-")
	if err != nil {
		return nil, fmt.Errorf("make a working folder: %w", err)
	}
	if outer, err = filepath.Abs(outer); err != nil {
		return nil, fmt.Errorf("make a working folder: %w", err)
	}
	f := &folder{outer: outer, work: filepath.Join(outer, "work")}
	if err = os.Mkdir(f.work, 0o700); err == nil {
		if f.outerFile, err = os.Open(f.outer); err == nil {
			f.workFile, err = os.Open(f.work)
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make a working folder: %w", err), f.remove())
	}
	return f, nil
}

// remove deletes both folders and all that is in them, whatever the program made of them, and nothing
// outside: links are deleted, never followed. It is to be called when no process of the program is left.
func (f *folder) remove() error {
	var errs []error
	for _, held := range []struct {
		file *os.File
		path string
	}{{f.workFile, f.work}, {f.outerFile, f.outer}} {
		at := held.path
		if held.file != nil {
			at = whereabouts(held.file, held.path)
			held.file.Close()
		}
		if at != "" {
			errs = append(errs, removeTree(at))
		}
	}
	return errors.Join(errs...)
}

// removeTree deletes the folder at a path. It never has more than two folders open and never builds a long
// path, so that depth is no obstacle: folders within folders are moved up before they are emptied.
func removeTree(at string) error {
	if err := os.Remove(at); err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	root, err := os.OpenRoot(at)
	if errors.Is(err, fs.ErrPermission) {
		_ = os.Chmod(at, 0o700)
		root, err = os.OpenRoot(at)
	}
	if err != nil {
		return fmt.Errorf("remove working folder: %w", err)
	}
	defer root.Close()
	_ = root.Chmod(".", 0o700)
	for moved := 0; ; {
		names, err := namesIn(root, ".")
		if err != nil {
			return fmt.Errorf("remove working folder %s: %w", at, err)
		}
		if len(names) == 0 {
			break
		}
		for _, name := range names {
			if root.Remove(name) == nil { // a file, a link, or an empty folder
				continue
			}
			if err := lift(root, name, &moved); err != nil {
				return fmt.Errorf("remove working folder %s: %w", at, err)
			}
		}
	}
	if err := os.Remove(at); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove working folder: %w", err)
	}
	return nil
}

// lift empties one folder of the root: its files are deleted, its folders moved into the root.
func lift(root *os.Root, name string, moved *int) error {
	if err := root.Chmod(name, 0o700); err != nil {
		return err
	}
	sub, err := root.OpenRoot(name)
	if err != nil {
		return err
	}
	defer sub.Close()
	names, err := namesIn(sub, ".")
	if err != nil {
		return err
	}
	for _, child := range names {
		if sub.Remove(child) == nil {
			continue
		}
		// A folder that may not be written to cannot be moved: its .. changes.
		if err := sub.Chmod(child, 0o700); err != nil {
			return err
		}
		for {
			*moved++
			err := root.Rename(name+"/"+child, ".lifted-"+strconv.Itoa(*moved))
			if err == nil {
				break
			}
			if !errors.Is(err, fs.ErrExist) && !isNotEmpty(err) {
				return err
			}
		}
	}
	return root.Remove(name)
}

// namesIn lists a folder.
func namesIn(root *os.Root, name string) ([]string, error) {
	dir, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return dir.Readdirnames(-1)
}
