/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The live view.  view.c has the loop and the keys, view_draw.c the screen.
 *
 * On the list of VMs the selection is the first line until the user moves it;
 * from then on it follows its VM, however the list is sorted.  On the pages of
 * a VM it is a place.  A VM that ends while it is looked into
 * leads back to the list.
 */
#ifndef VIREO_STAT_VIEW_H
#define VIREO_STAT_VIEW_H

#include "options.h"
#include "read.h"
#include "table.h"

enum page {
	PAGE_VMS,
	PAGE_REGIONS,
	PAGE_VCPUS,
	PAGE_COUNTERS,
	PAGE_LATENCY,
	PAGE_QUEUES,
};
#define NR_PAGES 6

struct sort {
	size_t column;
	bool reverse;
};

struct view {
	const struct tree *tree;
	const char *only; /* the VM of --vm, or NULL */
	double interval;
	bool paused;
	bool help;
	enum unit unit;
	struct sample now;

	enum page page;
	struct sort sort[NR_PAGES];
	char vm[64];	 /* id of the VM that is selected, or looked into */
	bool follow;	 /* the selection on the list is that VM */
	size_t selected; /* row */
	size_t top;	 /* first row that is shown */
	char message[128];

	/* What was drawn last, for the keys. */
	struct table table; /* borrows from @now */
	size_t rows;	    /* that the screen has room for */
};

/*
 * Runs on the terminal until the user quits; leaves it as it was.  Returns 0
 * or -errno with the reason in @why.  Ended by SIGTERM or SIGHUP, it does not
 * return: the process ends by it.
 */
int view_run(const struct options *o, const struct tree *tree, char *why,
	     size_t room);

/* The VM that is looked into; NULL if it has ended, or on the list. */
const struct object *view_vm(const struct view *v);

/* Draws all; 0 or -ENOMEM. */
int view_draw(struct view *v);

#endif
