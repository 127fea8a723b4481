/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What ps and inspect tell of every machine. */
#ifndef VIREO_CLI_SUMMARY_H
#define VIREO_CLI_SUMMARY_H

#include <stdint.h>
#include <sys/types.h>

#include "../control/rundir.h"

struct remote;
struct error;
struct json_t;

struct summary {
	char name[RUNDIR_NAME_MAX];
	char status[32]; /* as query-status: running, paused, ... */
	pid_t pid;	 /* 0: unknown */
	unsigned int cpus;
	uint64_t memory; /* bytes */
	int64_t uptime;	 /* seconds, of the process; -1: unknown */
};

int summary_read(struct summary *s, struct remote *c, struct error *err);
struct json_t *summary_json(const struct summary *s);

/* "512M", "1.5G" */
void text_bytes(char text[24], uint64_t bytes);
/* "42s", "3m05s", "2h10m", "4d02h"; "-" if unknown */
void text_seconds(char text[24], int64_t seconds);

#endif
