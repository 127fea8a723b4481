// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A field: name length and name, kind, size of an integer, count (32 bits), and
 * the integers; or of a group, for each object, length (32 bits) and fields.
 */
#include "state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"

/* Objects in objects. */
#define MAX_DEPTH 6

void state_out_free(struct state_out *out)
{
	free(out->data);
	*out = (struct state_out){ 0 };
}

void state_put(struct state_out *out, const void *data, size_t len)
{
	size_t room = out->room ? out->room : 4096;
	uint8_t *more;

	if (out->error)
		return;
	while (room - out->len < len)
		room *= 2;
	if (room != out->room) {
		more = realloc(out->data, room);
		if (!more) {
			out->error = -ENOMEM;
			return;
		}
		out->data = more;
		out->room = room;
	}
	if (len)
		memcpy(out->data + out->len, data, len);
	out->len += len;
}

static void put8(struct state_out *out, uint8_t val)
{
	state_put(out, &val, sizeof(val));
}

static void put32(struct state_out *out, uint32_t val)
{
	state_put(out, &val, sizeof(val));
}

static uint8_t *field_data(const struct state_field *f, void *obj)
{
	uint8_t *p = (uint8_t *)obj + f->offset;
	void *to = p;

	if (f->pointer)
		memcpy(&to, p, sizeof(to));
	return to;
}

static uint32_t field_count(const struct state_field *f, const void *obj)
{
	uint32_t count = f->count_of ? f->count_of(obj) : f->count;

	return f->count_of && f->count && count > f->count ? f->count : count;
}

/* ---- saving ----------------------------------------------------------------- */

static void save_fields(struct state_out *out, const struct state_field *f,
			void *obj);

static void save_group(struct state_out *out, const struct state_field *f,
		       uint8_t *objects, uint32_t count)
{
	uint32_t i, len;
	size_t at;

	for (i = 0; i < count; i++) {
		at = out->len;
		put32(out, 0);
		save_fields(out, f->fields, objects + (size_t)i * f->stride);
		if (out->error)
			return;
		len = (uint32_t)(out->len - at - sizeof(len));
		memcpy(out->data + at, &len, sizeof(len));
	}
}

static void save_fields(struct state_out *out, const struct state_field *f,
			void *obj)
{
	for (; f->kind != STATE_END; f++) {
		uint32_t count = field_count(f, obj);
		uint8_t len = (uint8_t)strlen(f->name);

		put8(out, len);
		state_put(out, f->name, len);
		put8(out, (uint8_t)f->kind);
		put8(out, (uint8_t)f->size);
		put32(out, count);
		if (f->kind == STATE_UINT)
			state_put(out, field_data(f, obj),
				  (size_t)count * f->size);
		else
			save_group(out, f, field_data(f, obj), count);
	}
}

int state_save(struct state_out *out, const struct state_table *table,
	       void *obj, struct error *err)
{
	int rc = table->prepare ? table->prepare(obj, err) : 0;

	if (rc)
		return rc;
	save_fields(out, table->fields, obj);
	return out->error ? error_sys(err, -out->error, "cannot keep it") : 0;
}

/* ---- reading ---------------------------------------------------------------- */

static bool take(struct state_in *in, void *to, size_t len)
{
	if (in->len < len)
		return false;
	memcpy(to, in->data, len);
	in->data += len;
	in->len -= len;
	return true;
}

static bool take_part(struct state_in *in, size_t len, struct state_in *part)
{
	if (in->len < len)
		return false;
	*part = (struct state_in){ in->data, len };
	in->data += len;
	in->len -= len;
	return true;
}

static bool is_size(uint8_t size)
{
	return size == 1 || size == 2 || size == 4 || size == 8;
}

int state_next_object(struct state_in *body, struct state_in *object,
		      struct error *err)
{
	uint32_t len;

	if (!take(body, &len, sizeof(len)) || !take_part(body, len, object))
		return error_set(err, EINVAL, "it is cut off");
	return 0;
}

int state_next(struct state_in *in, struct state_item *item, struct error *err)
{
	struct state_in rest, object;
	uint8_t len, kind, size;
	uint32_t i;

	if (!in->len)
		return 0;
	item->name[0] = '\0';
	if (!take(in, &len, 1) || !len || len > STATE_NAME_MAX ||
	    !take(in, item->name, len))
		return error_set(err, EINVAL, "a field without a name");
	item->name[len] = '\0';
	for (i = 0; i < len; i++)
		if (item->name[i] <= ' ' || item->name[i] > '~')
			return error_set(err, EINVAL, "a field without a name");
	if (!take(in, &kind, 1) || !take(in, &size, 1) ||
	    !take(in, &item->count, sizeof(item->count)))
		return error_set(err, EINVAL, "%s: it is cut off", item->name);
	item->kind = (enum state_kind)kind;
	item->size = size;
	if (kind == STATE_UINT && is_size(size)) {
		if (!take_part(in, (size_t)item->count * size, &item->body))
			return error_set(err, EINVAL, "%s: it is cut off",
					 item->name);
		return 1;
	}
	if (kind != STATE_GROUP || size)
		return error_set(err, EINVAL, "%s: of no known kind",
				 item->name);
	rest = *in;
	for (i = 0; i < item->count; i++)
		if (state_next_object(&rest, &object, err)) {
			error_prefix(err, "%s[%u]", item->name, i);
			return -EINVAL;
		}
	take_part(in, in->len - rest.len, &item->body);
	return 1;
}

/* ---- loading ---------------------------------------------------------------- */

static const struct state_field *find(const struct state_field *f,
				      const char *name)
{
	for (; f->kind != STATE_END; f++)
		if (!strcmp(f->name, name))
			return f;
	return NULL;
}

static int load_fields(struct state_in in, const struct state_field *fields,
		       uint16_t version, void *obj, unsigned int depth,
		       struct error *err);

static uint64_t get_uint(const uint8_t *p, uint16_t size)
{
	uint64_t val = 0;

	memcpy(&val, p, size);
	return val;
}

static int load_uints(const struct state_field *f, const struct state_item *it,
		      uint8_t *to, struct error *err)
{
	uint32_t i;
	uint64_t val;

	for (i = 0; f->max && i < it->count; i++) {
		val = get_uint(it->body.data + (size_t)i * f->size, f->size);
		if (val > f->max)
			return error_set(err, EINVAL,
					 "%s: %llu is more than %llu", f->name,
					 (unsigned long long)val,
					 (unsigned long long)f->max);
	}
	if (it->body.len)
		memcpy(to, it->body.data, it->body.len);
	return 0;
}

static int load_group(const struct state_field *f, const struct state_item *it,
		      uint8_t *to, uint16_t version, unsigned int depth,
		      struct error *err)
{
	struct state_in body = it->body, object;
	uint32_t i;
	int rc;

	for (i = 0; i < it->count; i++) {
		rc = state_next_object(&body, &object, err);
		if (!rc)
			rc = load_fields(object, f->fields, version,
					 to + (size_t)i * f->stride, depth + 1,
					 err);
		if (rc && it->count == 1)
			error_prefix(err, "%s", f->name);
		else if (rc)
			error_prefix(err, "%s[%u]", f->name, i);
		if (rc)
			return rc;
	}
	return 0;
}

static int load_field(const struct state_field *f, const struct state_item *it,
		      uint16_t version, void *obj, unsigned int depth,
		      struct error *err)
{
	uint32_t count = field_count(f, obj);

	if (it->kind != f->kind || it->size != f->size)
		return error_set(err, EINVAL, "%s: of another kind", f->name);
	if (it->count != count)
		return error_set(err, EINVAL, "%s: %u of them, not %u", f->name,
				 it->count, count);
	if (f->kind == STATE_UINT)
		return load_uints(f, it, field_data(f, obj), err);
	return load_group(f, it, field_data(f, obj), version, depth, err);
}

/* A field of a newer version has come in its place, or nothing known has. */
static int missing(const struct state_field *f, const struct state_item *it,
		   const struct state_field *fields, struct error *err)
{
	if (it && !find(fields, it->name))
		return error_set(err, EINVAL, "%s: unknown here", it->name);
	return error_set(err, EINVAL, "%s: not there", f->name);
}

/*
 * In the order of the table, so that a count is there before what it counts;
 * and so is what was saved.
 */
static int load_fields(struct state_in in, const struct state_field *fields,
		       uint16_t version, void *obj, unsigned int depth,
		       struct error *err)
{
	const struct state_field *f;
	struct state_item it;
	int rc;

	if (depth == MAX_DEPTH)
		return error_set(err, EINVAL, "objects in objects in objects");
	for (f = fields; f->kind != STATE_END; f++) {
		if (f->since > version)
			continue;
		rc = state_next(&in, &it, err);
		if (rc < 0)
			return rc;
		if (!rc || strcmp(it.name, f->name))
			return missing(f, rc ? &it : NULL, fields, err);
		rc = load_field(f, &it, version, obj, depth, err);
		if (rc)
			return rc;
	}
	rc = state_next(&in, &it, err);
	if (rc > 0)
		rc = error_set(err, EINVAL, "%s: unknown here", it.name);
	return rc;
}

int state_load(struct state_in in, const struct state_table *table,
	       uint16_t version, void *obj, struct error *err)
{
	int rc;

	if (!version || version > table->version)
		return error_set(err, EINVAL,
				 "version %u, of which versions to %u are known",
				 version, table->version);
	rc = table->prepare ? table->prepare(obj, err) : 0;
	if (rc)
		return rc;
	rc = load_fields(in, table->fields, version, obj, 0, err);
	if (!rc && table->loaded)
		rc = table->loaded(obj, err);
	return rc;
}
