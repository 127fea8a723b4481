// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * --sandbox=strict: namespaces in which there is nothing, neither files nor
 * network nor other processes.
 *
 * The one of processes is only for children, so the machine is a child: of its
 * keeper, which waits outside.  It is the first to be made, before anything is
 * opened; the others are the last, when everything is.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../error.h"
#include "parts.h"

#define OTHERS                                                      \
	(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | \
	 CLONE_NEWCGROUP)
#define MAX_DIRECTORIES 32
/* It is there, as we need it ourselves, and soon hidden. */
#define PROC "/proc"

static int refused(struct error *err, int errnum)
{
	const char *hint = "";

	if (errnum == EPERM || errnum == EACCES)
		hint = " (see /proc/sys/kernel/unprivileged_userns_clone and "
		       "apparmor_restrict_unprivileged_userns there; or use "
		       "--sandbox on)";
	else if (errnum == ENOSPC || errnum == EUSERS)
		hint = " (see /proc/sys/user/max_user_namespaces; or use "
		       "--sandbox on)";
	else if (errnum == EINVAL)
		hint = " (this host's kernel lacks them; use --sandbox on)";
	return error_set(err, errnum,
			 "--sandbox strict: the host refuses user namespaces: "
			 "%s%s",
			 strerror(errnum), hint);
}

static int write_proc(const char *name, const char *text)
{
	char path[64];
	ssize_t n;
	int fd, rc;

	snprintf(path, sizeof(path), PROC "/self/%s", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = write(fd, text, strlen(text));
	rc = n < 0 ? -errno : 0;
	close(fd);
	return rc;
}

/* Its user remains who it is, and there is nobody else. */
static int enter_user(int others, struct error *err)
{
	unsigned int uid = geteuid(), gid = getegid();
	char map[64];
	int rc;

	if (unshare(CLONE_NEWUSER | others))
		return refused(err, errno);
	rc = write_proc("setgroups", "deny");
	snprintf(map, sizeof(map), "%u %u 1", uid, uid);
	if (!rc)
		rc = write_proc("uid_map", map);
	snprintf(map, sizeof(map), "%u %u 1", gid, gid);
	if (!rc)
		rc = write_proc("gid_map", map);
	if (rc)
		return error_sys(err, -rc,
				 "--sandbox strict: cannot map the user");
	return 0;
}

int namespaces_new_processes(struct error *err)
{
	if (!unshare(CLONE_NEWPID))
		return 0;
	return enter_user(CLONE_NEWPID, err);
}

/*
 * Descriptors of directories, which would lead out of any root.  Returns how
 * many.
 */
static int find_directories(int *fds, struct error *err)
{
	DIR *dir = opendir(PROC "/self/fd");
	struct dirent *e;
	struct stat st;
	int nr = 0, fd;

	if (!dir)
		return error_sys(err, errno, "cannot open " PROC "/self/fd");
	while ((e = readdir(dir))) {
		fd = atoi(e->d_name);
		if (*e->d_name == '.' || fd == dirfd(dir) || fstat(fd, &st) ||
		    !S_ISDIR(st.st_mode))
			continue;
		if (nr == MAX_DIRECTORIES) {
			closedir(dir);
			return error_set(err, EMFILE,
					 "--sandbox strict: more than %d "
					 "directories are open",
					 MAX_DIRECTORIES);
		}
		fds[nr++] = fd;
	}
	closedir(dir);
	return nr;
}

/* A link that says something else to each who reads it. */
int sandbox_open_ids(enum sandbox sandbox)
{
	if (sandbox != SANDBOX_STRICT)
		return -1;
	return open(PROC "/thread-self", O_PATH | O_NOFOLLOW | O_CLOEXEC);
}

pid_t sandbox_id(int ids)
{
	char link[64]; /* PROCESS/task/THREAD */
	const char *last;
	ssize_t n;

	if (ids < 0)
		return gettid();
	n = readlinkat(ids, "", link, sizeof(link) - 1);
	link[n > 0 ? n : 0] = '\0';
	last = strrchr(link, '/');
	return last ? atoi(last + 1) : gettid();
}

/* An empty directory, which nobody can write to, takes the root's place. */
static int empty_root(void)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) ||
	    mount("vireo", PROC, "tmpfs",
		  MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY,
		  "mode=0,size=4k,nr_inodes=2") ||
	    chdir(PROC) || syscall(SYS_pivot_root, ".", ".") ||
	    umount2(".", MNT_DETACH) || chdir("/"))
		return -errno;
	return 0;
}

int namespaces_enter(struct error *err)
{
	int fds[MAX_DIRECTORIES], nr, root, i, rc;

	nr = find_directories(fds, err);
	if (nr < 0)
		return nr;
	rc = enter_user(OTHERS, err);
	if (rc)
		return rc;
	rc = empty_root();
	if (rc)
		return error_sys(err, -rc,
				 "--sandbox strict: cannot make an empty root");
	root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return error_sys(err, errno,
				 "--sandbox strict: cannot open the root");
	for (i = 0; i < nr; i++)
		if (dup3(root, fds[i], O_CLOEXEC) < 0)
			rc = error_sys(err, errno,
				       "--sandbox strict: cannot replace a "
				       "directory");
	close(root);
	return rc;
}
