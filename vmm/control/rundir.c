// SPDX-License-Identifier: GPL-2.0-or-later
#include "rundir.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../error.h"

static int place(char path[RUNDIR_PATH_MAX], struct error *err)
{
	const char *xdg = getenv("XDG_RUNTIME_DIR");
	uid_t uid = geteuid();
	int len;

	if (xdg && *xdg == '/')
		len = snprintf(path, RUNDIR_PATH_MAX, "%s/vireo", xdg);
	else if (!uid)
		len = snprintf(path, RUNDIR_PATH_MAX, "/run/vireo");
	else
		len = snprintf(path, RUNDIR_PATH_MAX, "/tmp/vireo-%u", uid);
	if (len >= RUNDIR_PATH_MAX)
		return error_set(err, ENAMETOOLONG,
				 "XDG_RUNTIME_DIR is too long a path");
	return 0;
}

/* In /tmp it may have been made by anybody, as anything. */
static int check(const char *path, struct error *err)
{
	struct stat st;

	if (lstat(path, &st))
		return error_sys(err, errno, "no runtime directory %s", path);
	if (!S_ISDIR(st.st_mode))
		return error_set(err, ENOTDIR, "%s is not a directory", path);
	if (st.st_uid != geteuid())
		return error_set(err, EPERM,
				 "%s belongs to user %u (see XDG_RUNTIME_DIR)",
				 path, st.st_uid);
	if (st.st_mode & 022)
		return error_set(err, EPERM,
				 "others may write to %s (chmod 700 it)", path);
	return 0;
}

int rundir_open(char path[RUNDIR_PATH_MAX], bool create, struct error *err)
{
	int rc = place(path, err);

	if (rc)
		return rc;
	if (create && mkdir(path, 0700) && errno != EEXIST)
		return error_sys(err, errno, "cannot make directory %s", path);
	return check(path, err);
}

int rundir_file(char path[RUNDIR_PATH_MAX], const char *dir, const char *name,
		const char *kind, struct error *err)
{
	char enc[3 * RUNDIR_NAME_MAX];
	size_t used = 0, i;
	int len;

	for (i = 0; name[i] && used < sizeof(enc) - 4; i++) {
		if (name[i] == '/' || name[i] == '%' || (!i && name[i] == '.'))
			used += (size_t)sprintf(enc + used, "%%%02X", name[i]);
		else
			enc[used++] = name[i];
	}
	enc[used] = '\0';
	len = snprintf(path, RUNDIR_PATH_MAX, "%s/%s.%s", dir, enc, kind);
	if (name[i] || len >= RUNDIR_PATH_MAX)
		return error_set(err, ENAMETOOLONG,
				 "%s is too long a path for %s", dir, name);
	return 0;
}

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' :
	       c >= 'A' && c <= 'F' ? c - 'A' + 10 :
				      -1;
}

bool rundir_name(char name[RUNDIR_NAME_MAX], const char *file, const char *kind)
{
	const char *dot = strrchr(file, '.');
	size_t used = 0;
	int c;

	if (!dot || dot == file || strcmp(dot + 1, kind))
		return false;
	for (; file < dot; file++) {
		c = *file;
		if (c == '%') {
			if (dot - file < 3 || hex(file[1]) < 0 ||
			    hex(file[2]) < 0)
				return false;
			c = hex(file[1]) << 4 | hex(file[2]);
			file += 2;
		}
		if (!c || used == RUNDIR_NAME_MAX - 1)
			return false;
		name[used++] = (char)c;
	}
	name[used] = '\0';
	return true;
}
