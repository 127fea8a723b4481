// SPDX-License-Identifier: GPL-2.0-or-later
#include "summary.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "remote.h"

/* proc(5): field 22 of stat is when it started, in ticks since the boot. */
static int64_t uptime_of(pid_t pid)
{
	unsigned long long start;
	struct timespec now;
	char path[40], stat[1024], *field;
	size_t len;
	FILE *file;
	int i;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = pid > 0 ? fopen(path, "re") : NULL;
	if (!file)
		return -1;
	len = fread(stat, 1, sizeof(stat) - 1, file);
	fclose(file);
	stat[len] = '\0';
	/* The command's name, which can hold anything, ends in the last ). */
	field = strrchr(stat, ')');
	for (i = 2; field && i < 22; i++)
		field = strchr(field + 1, ' ');
	if (!field || sscanf(field, "%llu", &start) != 1 ||
	    clock_gettime(CLOCK_BOOTTIME, &now))
		return -1;
	return now.tv_sec - (int64_t)(start / (unsigned)sysconf(_SC_CLK_TCK));
}

int summary_read(struct summary *s, struct remote *c, struct error *err)
{
	json_t *ret;
	const char *text;
	int rc;

	*s = (struct summary){ .pid = remote_pid(c), .status = "unknown" };
	snprintf(s->name, sizeof(s->name), "%s", remote_name(c));
	s->uptime = uptime_of(s->pid);

	rc = remote_execute(c, "query-status", NULL, &ret, err);
	if (rc)
		return rc;
	text = json_string_value(json_object_get(ret, "status"));
	if (text)
		snprintf(s->status, sizeof(s->status), "%s", text);
	json_decref(ret);

	rc = remote_execute(c, "query-cpus-fast", NULL, &ret, err);
	if (rc)
		return rc;
	s->cpus = (unsigned int)json_array_size(ret);
	json_decref(ret);

	rc = remote_execute(c, "query-memory-size-summary", NULL, &ret, err);
	if (rc)
		return rc;
	s->memory = (uint64_t)json_integer_value(
		json_object_get(ret, "base-memory"));
	json_decref(ret);
	return 0;
}

json_t *summary_json(const struct summary *s)
{
	json_t *obj = json_pack("{s:s, s:s, s:i, s:I}", "name", s->name,
				"status", s->status, "cpus", (int)s->cpus,
				"memory", (json_int_t)s->memory);

	/* What is not known is not there. */
	if (s->pid)
		json_object_set_new(obj, "pid", json_integer(s->pid));
	if (s->uptime >= 0)
		json_object_set_new(obj, "uptime", json_integer(s->uptime));
	return obj;
}

void text_bytes(char text[24], uint64_t bytes)
{
	static const char units[] = "KMGTPE";
	unsigned int unit = 0;

	for (; bytes >= 1 << 20 && units[unit + 1]; bytes >>= 10)
		unit++;
	/* @bytes is now in 1024ths of the unit. */
	if (bytes % 1024)
		snprintf(text, 24, "%.1f%c", (double)bytes / 1024, units[unit]);
	else
		snprintf(text, 24, "%" PRIu64 "%c", bytes / 1024, units[unit]);
}

void text_seconds(char text[24], int64_t s)
{
	if (s < 0)
		snprintf(text, 24, "-");
	else if (s < 60)
		snprintf(text, 24, "%ds", (int)s);
	else if (s < 3600)
		snprintf(text, 24, "%dm%02ds", (int)(s / 60), (int)(s % 60));
	else if (s < 86400)
		snprintf(text, 24, "%dh%02dm", (int)(s / 3600),
			 (int)(s / 60 % 60));
	else
		snprintf(text, 24, "%" PRId64 "d%02dh", s / 86400,
			 (int)(s / 3600 % 24));
}
