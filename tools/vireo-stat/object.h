/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What vireo-stat knows at one instant: a tree of objects (the host, its VMs,
 * their vCPUs, I/O regions and queues) with named numbers.  Nothing here depends on
 * which names there are, so that a newer module's numbers are shown, too.
 *
 * Every object owns what it points to.  All text is printable ASCII: that is
 * seen to where files are read, see file.h.
 */
#ifndef VIREO_STAT_OBJECT_H
#define VIREO_STAT_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum object_kind {
	OBJECT_HOST,
	OBJECT_VM,
	OBJECT_VCPU,
	OBJECT_REGION,
	OBJECT_QUEUE,
};
#define NR_OBJECT_KINDS 5

enum source { SOURCE_KVM, SOURCE_VIREO };
#define NR_SOURCES 2

struct text {
	char *name;
	char *value;
};

struct number {
	char *name;
	enum source source;
	bool gauge; /* it may fall: as it is now, or the highest so far */
	bool rated; /* @rate is known; never for a gauge */
	uint64_t value;
	double rate; /* a second */
};

#define NO_END UINT64_MAX

struct bucket {
	uint64_t low, high; /* nanoseconds: [low, high), or NO_END */
	uint64_t count;
	uint64_t delta; /* since the sample before, if the histogram is rated */
};

struct histogram {
	char *name;
	bool rated;
	struct bucket *buckets; /* ascending, none empty */
	size_t nr_buckets;
};

struct object {
	enum object_kind kind;
	char *id;   /* unique among its siblings of one kind */
	char *name; /* for people; of a vCPU as the id */
	long pid;   /* of a VM, else 0 */
	struct text *texts;
	size_t nr_texts;
	struct number *numbers;
	size_t nr_numbers;
	struct histogram *histograms;
	size_t nr_histograms;
	struct object *children;
	size_t nr_children;
};

struct sample {
	struct object host;
	double wall;	 /* seconds since the epoch */
	double monotone; /* seconds of a clock that is never set */
	double interval; /* between this sample and that of the rates, or 0 */
};

/*
 * Adding.  Strings are copied.  A pointer is good until the next of its kind
 * is added to the same object.  All return NULL if there is no memory.
 */
struct object *object_add(struct object *parent, enum object_kind kind,
			  const char *id, const char *name);
struct text *object_add_text(struct object *o, const char *name,
			     const char *value);
struct number *object_add_number(struct object *o, enum source source,
				 const char *name, uint64_t value, bool gauge);
struct histogram *object_add_histogram(struct object *o, const char *name);
struct bucket *histogram_add(struct histogram *h, uint64_t low, uint64_t high,
			     uint64_t count);

/* Finding; NULL if there is none.  object_text() also takes @o NULL. */
struct object *object_child(const struct object *o, enum object_kind kind,
			    const char *id);
const char *object_text(const struct object *o, const char *name);
const struct number *object_number(const struct object *o, enum source source,
				   const char *name);
size_t object_count(const struct object *o, enum object_kind kind);
/* Whether any number of @o is of @source. */
bool object_has(const struct object *o, enum source source);

/* Frees what is in it, and leaves it empty. */
void object_clear(struct object *o);
void sample_clear(struct sample *s);

/*
 * Fills in the rates of @now against @before, which may be of any VMs.  What
 * has been reset since, or is a new object under an old name, counts from 0.
 */
void sample_rates(struct sample *now, const struct sample *before);

#endif
