// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * --sandbox=on: of all that the process's user may do to files, Landlock leaves
 * one thing, which the main thread's list has to allow: to remove files in a
 * directory where we have a socket.  Open files are not concerned.
 */
#include <errno.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../error.h"
#include "parts.h"

/* All that Linux 5.13 has: later ones are other calls, on no list. */
#define ALL_ACCESS ((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1)
/* Ours are the lowest: so many in a row that are free are the end. */
#define GAP 64

static int allow_removal(int rules)
{
	struct landlock_path_beneath_attr rule = {
		.allowed_access = LANDLOCK_ACCESS_FS_REMOVE_FILE,
	};
	struct stat st;
	int fd, unused = 0;

	for (fd = 0; unused < GAP; fd++) {
		if (fstat(fd, &st)) {
			unused++;
			continue;
		}
		unused = 0;
		if (!S_ISDIR(st.st_mode))
			continue;
		rule.parent_fd = fd;
		if (syscall(SYS_landlock_add_rule, rules,
			    LANDLOCK_RULE_PATH_BENEATH, &rule, 0))
			return -errno;
	}
	return 0;
}

int files_deny(struct error *err)
{
	const struct landlock_ruleset_attr attr = {
		.handled_access_fs = ALL_ACCESS,
	};
	int rules, rc;

	rules = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr),
			     0);
	/* Not every kernel has it, or lets it be used. */
	if (rules < 0 && (errno == ENOSYS || errno == EOPNOTSUPP))
		return 0;
	if (rules < 0)
		return error_sys(err, errno, "cannot deny files");
	rc = allow_removal(rules);
	if (!rc && syscall(SYS_landlock_restrict_self, rules, 0))
		rc = -errno;
	close(rules);
	return rc ? error_sys(err, -rc, "cannot deny files") : 0;
}
