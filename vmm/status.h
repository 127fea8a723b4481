/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VIREO_STATUS_H
#define VIREO_STATUS_H

/* Exit statuses of the program, as vireo(1) documents them. */
enum vireo_status {
	STATUS_OFF = 0,	    /* the guest powered off; the command is done */
	STATUS_ERROR = 1,   /* the host failed, before or while running */
	STATUS_USAGE = 2,   /* bad command line or configuration file */
	STATUS_CRASH = 3,   /* triple fault, or KVM cannot go on */
	STATUS_STOPPED = 4, /* a person stopped the guest with Ctrl-A x */
	STATUS_ABSENT = 5,  /* no machine of that name runs */
	STATUS_TIMEOUT = 6, /* vireo stop: it has not ended in time */
	STATUS_LEAKS = 7,   /* vireo img check: only leaks were found */
	STATUS_SIGNAL = 128 /* plus the number of the signal that stopped it */
};

#endif
