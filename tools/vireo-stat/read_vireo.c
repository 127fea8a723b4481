// SPDX-License-Identifier: GPL-2.0-or-later
/* vireo's debugfs; debugfs/README.md is the reference of its files. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "read.h"

/* The highest so far, or as it is now: it does not add up. */
static bool is_peak(const char *name)
{
	size_t n = strlen(name);

	return (n >= 5 && !strcmp(name + n - 5, "_peak")) ||
	       !strcmp(name, "ring_entries") || !strcmp(name, "in_flight") ||
	       !strcmp(name, "index") || !strcmp(name, "fault");
}

int parse_pairs(struct object *o, char *text, bool gauges)
{
	char *line, *value;
	uint64_t number;

	while ((line = file_line(&text))) {
		value = strchr(line, ' ');
		if (!value || value == line)
			continue;
		*value++ = '\0';
		/* Its directory has told. */
		if (!strcmp(line, "pid"))
			continue;
		/* A VM may be called 42. */
		if (strcmp(line, "name") && parse_number(value, &number)) {
			if (!object_add_number(o, SOURCE_VIREO, line, number,
					       gauges || is_peak(line)))
				return -ENOMEM;
		} else if (!object_add_text(o, line, value)) {
			return -ENOMEM;
		}
	}
	return 0;
}

/* ---- regions and queues ----------------------------------------------- */

#define MAX_COLUMNS 128

struct columns {
	const char *name[MAX_COLUMNS];
	size_t count;
};

static void split(struct columns *c, char *line)
{
	const char *word;

	c->count = 0;
	while (c->count < MAX_COLUMNS && (word = file_word(&line)))
		c->name[c->count++] = word;
}

static const char *cell(const struct columns *heads, const struct columns *row,
			const char *head)
{
	for (size_t i = 0; i < heads->count && i < row->count; i++)
		if (!strcmp(heads->name[i], head))
			return row->name[i];
	return NULL;
}

static int add_cell(struct object *region, const char *head, const char *value)
{
	uint64_t number;

	/* A region may be called 42, as a VM. */
	if (!strcmp(head, "id") || !strcmp(head, "name"))
		return 0;
	if (parse_number(value, &number))
		return object_add_number(region, SOURCE_VIREO, head, number,
					 is_peak(head)) ?
			       0 :
			       -ENOMEM;
	return object_add_text(region, head, value) ? 0 : -ENOMEM;
}

static bool is_title(const char *line)
{
	size_t n = strlen(line);

	return n && line[n - 1] == ':';
}

/* Up to the first title of a histogram, if there is one: *@title is that. */
static int parse_objects(struct object *vm, enum object_kind kind, char **text,
			 char **title)
{
	struct columns heads, row;
	const char *id, *name;
	struct object *o;
	char *line;
	int ret = 0;

	*title = NULL;
	line = file_line(text);
	if (!line)
		return 0;
	split(&heads, line);
	while (!ret && (line = file_line(text))) {
		if (is_title(line)) {
			*title = line;
			return 0;
		}
		split(&row, line);
		id = cell(&heads, &row, "id");
		name = cell(&heads, &row, "name");
		if (!id || !name || object_child(vm, kind, id))
			continue;
		o = object_add(vm, kind, id, name);
		if (!o)
			return -ENOMEM;
		for (size_t i = 0; i < heads.count && i < row.count && !ret;
		     i++)
			ret = add_cell(o, heads.name[i], row.name[i]);
	}
	return ret;
}

int parse_regions(struct object *vm, char *text)
{
	char *title;

	return parse_objects(vm, OBJECT_REGION, &text, &title);
}

/* ---- memory ------------------------------------------------------------ */

/* What grows; the rest of an object's numbers are what is so now. */
static bool is_counter(const char *head)
{
	return !strcmp(head, "dirtied") || !strcmp(head, "discarded");
}

/* Adds @value to the VM's number memory_<head>. */
static int add_memory(struct object *vm, const char *head, uint64_t value)
{
	struct number *sum;
	char name[64];

	snprintf(name, sizeof(name), "memory_%s", head);
	for (size_t i = 0; i < vm->nr_numbers; i++) {
		sum = &vm->numbers[i];
		if (sum->source == SOURCE_VIREO && !strcmp(sum->name, name)) {
			sum->value += value;
			return 0;
		}
	}
	return object_add_number(vm, SOURCE_VIREO, name, value,
				 !is_counter(head)) ?
		       0 :
		       -ENOMEM;
}

int parse_memory(struct object *vm, char *text)
{
	struct columns heads = { .count = 0 }, row;
	uint64_t value;
	char *line;
	int ret = 0;

	while (!ret && (line = file_line(&text))) {
		split(&row, line);
		/* Ranges come first, under heads of their own. */
		if (!heads.count && row.count && strcmp(row.name[0], "id"))
			continue;
		if (!heads.count) {
			heads = row;
			continue;
		}
		/* The first three say which object it is. */
		for (size_t i = 3; i < heads.count && i < row.count && !ret;
		     i++)
			if (parse_number(row.name[i], &value))
				ret = add_memory(vm, heads.name[i], value);
	}
	return ret;
}

/* ---- latency ---------------------------------------------------------- */

/* "[low, high) count", high a number or "inf". */
static bool parse_bucket(char *line, struct bucket *b)
{
	char *low = file_word(&line), *high = file_word(&line);
	char *count = file_word(&line);
	size_t n, m;

	if (!count || file_word(&line) || *low != '[')
		return false;
	n = strlen(low);
	m = strlen(high);
	if (low[n - 1] != ',' || high[m - 1] != ')')
		return false;
	low[n - 1] = high[m - 1] = '\0';
	if (!strcmp(high, "inf"))
		b->high = NO_END;
	else if (!parse_number(high, &b->high))
		return false;
	return parse_number(low + 1, &b->low) && b->low <= b->high &&
	       parse_number(count, &b->count) && b->count;
}

/*
 * Where the buckets after a title belong: "served_time:" to @o, "served_time
 * 0 serial0:" to its child 0 of @kind.  NULL in *@h if to nothing that is known.
 */
static int start_histogram(struct object *o, enum object_kind kind, char *line,
			   struct histogram **h)
{
	char *title, *id;

	*h = NULL;
	line[strlen(line) - 1] = '\0';
	title = file_word(&line);
	id = file_word(&line);
	if (id)
		o = object_child(o, kind, id);
	/* Depths are no times. */
	if (!title || !o || !strcmp(title, "depth"))
		return 0;
	*h = object_add_histogram(o, title);
	return *h ? 0 : -ENOMEM;
}

/*
 * Buckets narrower than a nanosecond have equal bounds: one is enough.  They
 * ascend, or the file is not what it should be.
 */
static int add_bucket(struct histogram *h, const struct bucket *b)
{
	struct bucket *last;

	last = h->nr_buckets ? &h->buckets[h->nr_buckets - 1] : NULL;
	if (last && last->low == b->low && last->high == b->high)
		last->count += b->count;
	else if (!last || last->high <= b->low)
		return histogram_add(h, b->low, b->high, b->count) ? 0 :
								     -ENOMEM;
	return 0;
}

/* @line is the first, or NULL: that is in @text, too. */
static int parse_histograms(struct object *o, enum object_kind kind, char *line,
			    char *text)
{
	struct histogram *h = NULL;
	struct bucket b;
	int ret = 0;

	for (; !ret && (line || (line = file_line(&text))); line = NULL) {
		if (is_title(line))
			ret = start_histogram(o, kind, line, &h);
		else if (h && parse_bucket(line, &b))
			ret = add_bucket(h, &b);
	}
	return ret;
}

int parse_latency(struct object *o, char *text)
{
	return parse_histograms(o, OBJECT_REGION, NULL, text);
}

int parse_queues(struct object *vm, char *text)
{
	char *title;
	int ret = parse_objects(vm, OBJECT_QUEUE, &text, &title);

	return ret || !title ? ret :
			       parse_histograms(vm, OBJECT_QUEUE, title, text);
}

/* ---- files ------------------------------------------------------------ */

/* The text of @directory/@name, or NULL if there is none to be had. */
static char *read_text(const struct tree *tree, const char *directory,
		       const char *name)
{
	char path[512], *text;
	int n = snprintf(path, sizeof(path), "%s/%s", directory, name);

	if (n < 0 || (size_t)n >= sizeof(path) ||
	    file_read(tree->debugfs, path, &text, NULL))
		return NULL;
	return text;
}

static int read_pairs(struct object *o, const struct tree *tree,
		      const char *directory, const char *name, bool gauges)
{
	char *text = read_text(tree, directory, name);
	int ret = text ? parse_pairs(o, text, gauges) : 0;

	free(text);
	return ret;
}

static int read_latency(struct object *o, const struct tree *tree,
			const char *directory)
{
	char *text = read_text(tree, directory, "latency");
	int ret = text ? parse_latency(o, text) : 0;

	free(text);
	return ret;
}

static int read_regions(struct object *vm, const struct tree *tree,
			const char *directory)
{
	char *text = read_text(tree, directory, "regions");
	int ret = text ? parse_regions(vm, text) : 0;

	free(text);
	return ret;
}

static int read_queues(struct object *vm, const struct tree *tree,
		       const char *directory)
{
	char *text = read_text(tree, directory, "queues");
	int ret = text ? parse_queues(vm, text) : 0;

	free(text);
	return ret;
}

static int read_memory(struct object *vm, const struct tree *tree,
		       const char *directory)
{
	char *text = read_text(tree, directory, "memory");
	int ret = text ? parse_memory(vm, text) : 0;

	free(text);
	return ret;
}

static int read_one_vcpu(struct object *vm, const struct tree *tree,
			 const char *directory, const char *name)
{
	struct object *vcpu = read_vcpu(vm, name);
	char path[512];
	int n, ret;

	n = snprintf(path, sizeof(path), "%s/%s", directory, name);
	if (!vcpu)
		return -ENOMEM;
	if (n < 0 || (size_t)n >= sizeof(path))
		return 0;
	ret = read_pairs(vcpu, tree, path, "exits", false);
	return ret ? ret : read_latency(vcpu, tree, path);
}

static int read_vcpus(struct object *vm, const struct tree *tree,
		      const char *directory)
{
	struct names names;
	int ret;

	ret = names_read(tree->debugfs, directory, &names);
	if (ret)
		return ret == -ENOMEM ? ret : 0;
	for (size_t i = 0; i < names.count && !ret; i++)
		if (is_vcpu(names.name[i]))
			ret = read_one_vcpu(vm, tree, directory, names.name[i]);
	names_free(&names);
	return ret;
}

int read_vireo_host(struct object *host, const struct tree *tree)
{
	int ret;

	ret = read_pairs(host, tree, "vireo", "version", true);
	if (!ret)
		ret = read_pairs(host, tree, "vireo", "exits", false);
	return ret ? ret : read_latency(host, tree, "vireo");
}

int read_vireo_vm(struct object *vm, const struct tree *tree, const char *path)
{
	int ret;

	ret = read_pairs(vm, tree, path, "info", true);
	if (!ret)
		ret = read_pairs(vm, tree, path, "exits", false);
	if (!ret)
		ret = read_memory(vm, tree, path);
	if (!ret)
		ret = read_regions(vm, tree, path);
	if (!ret)
		ret = read_queues(vm, tree, path);
	/* After the regions that it tells of. */
	if (!ret)
		ret = read_latency(vm, tree, path);
	return ret ? ret : read_vcpus(vm, tree, path);
}
