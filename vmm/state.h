/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * State tables: what of an object makes up a machine's state, in one table for
 * saving it, loading it, printing it, and for the step from one version to the
 * next.  No device writes serialization code.
 *
 * A table lists fields by name.  A field that a later version adds says since
 * when it is there: a state that is older leaves it as a reset made it.  Fields
 * are never taken away nor changed in meaning: a new name is a new field.
 *
 * What is loaded is hostile: kinds, sizes and counts are compared with the
 * table, values with a field's max, and what does not fit is refused by the
 * field's name.  What a table cannot say is checked by its loaded function.
 *
 * Integers are stored little-endian, as processors here have them.  The format
 * is described in state_file.h.
 */
#ifndef VIREO_STATE_H
#define VIREO_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

enum state_kind {
	STATE_END,
	STATE_UINT,  /* count integers of size bytes */
	STATE_GROUP, /* count objects, stride apart, of fields */
};

struct state_field {
	const char *name; /* up to STATE_NAME_MAX characters */
	enum state_kind kind;
	uint16_t since; /* version of the table; 0: always */
	uint16_t size;	/* of an integer: 1, 2, 4 or 8 */
	uint32_t offset;
	uint32_t stride; /* of a group's objects */
	uint32_t count;
	/*
	 * If not NULL, says how many there are of @obj, no more than count unless
	 * that is 0: fields that come before it may be what it looks at.
	 */
	uint32_t (*count_of)(const void *obj);
	uint64_t max; /* of an integer; 0: any */
	bool pointer; /* what lies at offset points to them */
	const struct state_field *fields;
};

struct state_table {
	uint16_t version; /* from 1 */
	const struct state_field *fields;
	/*
	 * Optional, and called with no lock held, by the main thread, the machine
	 * stopped.  prepare brings the fields up to date before they are saved,
	 * or loaded; loaded makes the object, which was reset, be what its
	 * fields say: they are in range, but else anything.
	 */
	int (*prepare)(void *obj, struct error *err);
	int (*loaded)(void *obj, struct error *err);
};

#define STATE_NAME_MAX 31

#define STATE_MEMBER_(type, member) (((type *)NULL)->member)

/* An integer. */
#define STATE_U(type, member)                                    \
	.name = #member, .kind = STATE_UINT,                     \
	.size = sizeof(STATE_MEMBER_(type, member)), .count = 1, \
	.offset = offsetof(type, member)
#define STATE_BOOL(type, member) STATE_U(type, member), .max = 1
/* An array of them within the object. */
#define STATE_ARRAY(type, member)                        \
	.name = #member, .kind = STATE_UINT,             \
	.size = sizeof(STATE_MEMBER_(type, member)[0]),  \
	.count = sizeof(STATE_MEMBER_(type, member)) /   \
		 sizeof(STATE_MEMBER_(type, member)[0]), \
	.offset = offsetof(type, member)
/* Anything, as bytes. */
#define STATE_BYTES(type, member)                       \
	.name = #member, .kind = STATE_UINT, .size = 1, \
	.count = sizeof(STATE_MEMBER_(type, member)),   \
	.offset = offsetof(type, member)
/* One object within the object. */
#define STATE_PART(type, member, its_fields)              \
	.name = #member, .kind = STATE_GROUP, .count = 1, \
	.stride = sizeof(STATE_MEMBER_(type, member)),    \
	.offset = offsetof(type, member), .fields = its_fields

/* Bytes that grow; error once anything failed, and then nothing is added. */
struct state_out {
	uint8_t *data;
	size_t len;
	size_t room;
	int error;
};

/* Bytes to take from; not owned. */
struct state_in {
	const uint8_t *data;
	size_t len;
};

void state_out_free(struct state_out *out);
void state_put(struct state_out *out, const void *data, size_t len);

/* Appends the fields of @obj. */
int state_save(struct state_out *out, const struct state_table *table,
	       void *obj, struct error *err);
/*
 * Sets @obj, as it is after a reset, from all of @in, which a table of version
 * @version wrote.  @err names the field; @obj is anything then.
 */
int state_load(struct state_in in, const struct state_table *table,
	       uint16_t version, void *obj, struct error *err);

/* ---- reading without a table ---- */

struct state_item {
	char name[STATE_NAME_MAX + 1];
	enum state_kind kind;
	uint16_t size;
	uint32_t count;
	struct state_in body; /* of an integer its bytes, of a group objects */
};

/* Takes the next field: 1, 0 at the end, -EINVAL. */
int state_next(struct state_in *in, struct state_item *item, struct error *err);
/* Takes the next object of a group's body; -EINVAL. */
int state_next_object(struct state_in *body, struct state_in *object,
		      struct error *err);

#endif
