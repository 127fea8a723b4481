// SPDX-License-Identifier: GPL-2.0-or-later
#include "../sandbox.h"

#include <errno.h>
#include <jansson.h>
#include <malloc.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "../error.h"
#include "parts.h"

/*
 * No core: it would have the registers of guests, and of their memory what is
 * in our buffers.  Descriptors: no more than there may be now.
 *
 * There is none for processes, which the filters refuse: it would count those
 * of all of the user's machines, and newer kernels start a thread for KVM in
 * ours.  None for the size of files either: a disk has any size, and a console
 * may be written to a file for ever.
 */
static int limit(struct error *err)
{
	static const struct rlimit none = { 0, 0 };
	struct rlimit files;

	if (setrlimit(RLIMIT_CORE, &none) || getrlimit(RLIMIT_NOFILE, &files))
		return error_sys(err, errno, "cannot set limits");
	files.rlim_max = files.rlim_cur;
	if (setrlimit(RLIMIT_NOFILE, &files))
		return error_sys(err, errno, "cannot limit descriptors");
	return 0;
}

/* All that is done with the devices is done by descriptors: none is needed. */
static int drop_capabilities(struct error *err)
{
	cap_t none = cap_init();
	int rc = 0;

	if (!none)
		return error_sys(err, errno, "cannot drop capabilities");
	/*
	 * The bounding set, and for good.  Without CAP_SETPCAP, which few
	 * have, this cannot be had; no new privileges will come anyway.
	 */
	if (cap_set_mode(CAP_MODE_NOPRIV) && errno != EPERM)
		rc = errno;
	if (cap_reset_ambient() && errno != EINVAL)
		rc = errno;
	if (cap_set_proc(none))
		rc = errno;
	cap_free(none);
	return rc ? error_sys(err, rc, "cannot drop capabilities") : 0;
}

int sandbox_enter(enum sandbox sandbox, struct error *err)
{
	int rc;

	if (sandbox == SANDBOX_OFF)
		return 0;
	/*
	 * The C library's memory: else it would ask a file of the kernel's
	 * whether it may give some back that another thread has taken.
	 */
	mallopt(M_TRIM_THRESHOLD, -1);
	/* Of its tables of names: else it opens /dev/urandom when it begins. */
	json_object_seed(0);
	rc = limit(err);
	if (!rc && sandbox == SANDBOX_STRICT)
		rc = namespaces_enter(err);
	if (!rc)
		rc = drop_capabilities(err);
	if (!rc)
		rc = seccomp_prepare(err);
	if (rc)
		return rc;
	/* Nor may another machine of this user trace it, or read its memory. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return error_sys(err, errno, "cannot give up privileges");
	/* Where there is an empty root, there is nothing to deny. */
	return sandbox == SANDBOX_ON ? files_deny(err) : 0;
}

int sandbox_thread(enum sandbox sandbox, enum sandbox_thread kind)
{
	return sandbox == SANDBOX_OFF ? 0 : seccomp_load_filter(kind);
}
