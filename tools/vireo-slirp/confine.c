// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a guest that got hold of this process could do with it: use the network,
 * which it has anyway, and read what the user may read.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "slirp.h"

/* All that changes files or runs them, of Linux 5.13. */
#define WRITES                                      \
	(((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1) & \
	 ~(uint64_t)(LANDLOCK_ACCESS_FS_READ_FILE | \
		     LANDLOCK_ACCESS_FS_READ_DIR))

/* Others fail: what libslirp does rarely is to fail, not to end a machine. */
static const int calls[] = {
	/* The loop. */
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(read),
	SCMP_SYS(write),
	SCMP_SYS(restart_syscall),
	/* Sockets. */
	SCMP_SYS(socket),
	SCMP_SYS(connect),
	SCMP_SYS(accept),
	SCMP_SYS(accept4),
	SCMP_SYS(bind),
	SCMP_SYS(listen),
	SCMP_SYS(shutdown),
	SCMP_SYS(sendto),
	SCMP_SYS(sendmsg),
	SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg),
	SCMP_SYS(getsockopt),
	SCMP_SYS(setsockopt),
	SCMP_SYS(getsockname),
	SCMP_SYS(getpeername),
	SCMP_SYS(readv),
	SCMP_SYS(writev),
	SCMP_SYS(fcntl),
	SCMP_SYS(ioctl),
	SCMP_SYS(close),
	/* /etc/resolv.conf, when it has changed. */
	SCMP_SYS(stat),
	SCMP_SYS(fstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(lseek),
	/* Memory, and the end. */
	SCMP_SYS(brk),
	SCMP_SYS(mremap),
	SCMP_SYS(munmap),
	SCMP_SYS(madvise),
	SCMP_SYS(futex),
	SCMP_SYS(getrandom),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(exit_group),
};

static int allow_calls(void)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	size_t i;
	int rc = -ENOMEM;

	if (!ctx)
		return rc;
	rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
			      SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE, O_RDONLY));
	if (!rc)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
				      SCMP_A2(SCMP_CMP_MASKED_EQ, 4, 0));
	for (i = 0; i < sizeof(calls) / sizeof(calls[0]) && !rc; i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i], 0);
	if (!rc)
		rc = seccomp_load(ctx);
	seccomp_release(ctx);
	return rc;
}

/* Not every kernel has it, or lets it be used. */
static int deny_writes(void)
{
	const struct landlock_ruleset_attr attr = {
		.handled_access_fs = WRITES,
	};
	int rules, rc;

	rules = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr),
			     0);
	if (rules < 0)
		return errno == ENOSYS || errno == EOPNOTSUPP ? 0 : -1;
	rc = (int)syscall(SYS_landlock_restrict_self, rules, 0);
	close(rules);
	return rc;
}

const char *confine(void)
{
	static const struct rlimit none = { 0, 0 };
	cap_t caps = cap_init();
	int rc;

	if (!caps || cap_set_proc(caps))
		return "capabilities";
	cap_free(caps);
	if (setrlimit(RLIMIT_CORE, &none) ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return "privileges";
	if (deny_writes())
		return "files";
	rc = allow_calls();
	if (rc) {
		errno = -rc;
		return "system calls";
	}
	return NULL;
}
