// SPDX-License-Identifier: GPL-2.0-or-later
/* The names of all machines, from the files of the runtime directory. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../error.h"
#include "remote.h"

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static int add(struct machines *m, const char *name)
{
	void *more = realloc(m->names, (m->count + 1) * sizeof(*m->names));

	if (!more)
		return -ENOMEM;
	m->names = more;
	strcpy(m->names[m->count++], name);
	return 0;
}

int machines_list(struct machines *m, struct error *err)
{
	char path[RUNDIR_PATH_MAX], name[RUNDIR_NAME_MAX];
	struct dirent *entry;
	DIR *dir;
	int rc;

	*m = (struct machines){ 0 };
	rc = rundir_open(path, false, err);
	if (rc)
		return rc == -ENOENT ? 0 : rc;
	dir = opendir(path);
	if (!dir)
		return error_sys(err, errno, "cannot list %s", path);
	while (!rc && (entry = readdir(dir)))
		if (rundir_name(name, entry->d_name, "qmp"))
			rc = add(m, name);
	closedir(dir);
	if (rc) {
		machines_free(m);
		return error_sys(err, -rc, "cannot list %s", path);
	}
	if (m->count) /* else there is no array */
		qsort(m->names, m->count, sizeof(*m->names), by_name);
	return 0;
}

void machines_free(struct machines *m)
{
	free(m->names);
	*m = (struct machines){ 0 };
}
