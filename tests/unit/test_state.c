// SPDX-License-Identifier: GPL-2.0-or-later
/* State tables, the stream that they are kept in, and those of devices. */
#include "machine.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "device/pci.h"
#include "state.h"
#include "state_file.h"

/* ---- an object with all that a table can say --------------------------------- */

struct part {
	uint8_t a;
	uint64_t b;
};

struct object {
	uint8_t u8;
	uint16_t u16;
	uint32_t u32;
	uint64_t u64;
	bool yes;
	uint32_t list[3];
	struct part part;
	struct part parts[2];
	uint32_t nr;
	struct part *more; /* nr of them, of 4 */
	uint8_t added;	   /* in version 2 */
	unsigned int prepared, loaded;
	bool refuse;
};

static const struct state_field part_fields[] = {
	{ STATE_U(struct part, a) },
	{ STATE_U(struct part, b) },
	{ 0 },
};

static uint32_t nr_more(const void *obj)
{
	return ((const struct object *)obj)->nr;
}

/* Of version 2; version 1 had all but the last. */
static const struct state_field object_fields[] = {
	{ STATE_U(struct object, u8), .max = 200 },
	{ STATE_U(struct object, u16) },
	{ STATE_U(struct object, u32) },
	{ STATE_U(struct object, u64) },
	{ STATE_BOOL(struct object, yes) },
	{ STATE_ARRAY(struct object, list) },
	{ STATE_PART(struct object, part, part_fields) },
	{ .name = "parts",
	  .kind = STATE_GROUP,
	  .count = 2,
	  .stride = sizeof(struct part),
	  .offset = offsetof(struct object, parts),
	  .fields = part_fields },
	{ STATE_U(struct object, nr), .max = 4 },
	{ .name = "more",
	  .kind = STATE_GROUP,
	  .count_of = nr_more,
	  .pointer = true,
	  .stride = sizeof(struct part),
	  .offset = offsetof(struct object, more),
	  .fields = part_fields },
	{ STATE_U(struct object, added), .since = 2 },
	{ 0 },
};

#define NR_FIELDS (sizeof(object_fields) / sizeof(object_fields[0]))
static struct state_field fields_1[NR_FIELDS];

static int prepare(void *obj, struct error *err)
{
	(void)err;
	((struct object *)obj)->prepared++;
	return 0;
}

static int loaded(void *obj, struct error *err)
{
	struct object *o = obj;

	o->loaded++;
	return o->refuse ? error_set(err, EINVAL, "u16: refused") : 0;
}

static const struct state_table table_1 = {
	.version = 1,
	.fields = fields_1,
	.prepare = prepare,
	.loaded = loaded,
};

static const struct state_table table_2 = {
	.version = 2,
	.fields = object_fields,
};

static struct part more_from[4] = { { 1, 10 }, { 2, 20 }, { 3, 30 }, { 4, 40 } };
static struct part more_to[4];

static struct object sample(void)
{
	return (struct object){
		.u8 = 200,
		.u16 = 0x1234,
		.u32 = 0x12345678,
		.u64 = 0x123456789abcdef0,
		.yes = true,
		.list = { 5, 6, 7 },
		.part = { 8, 9 },
		.parts = { { 11, 12 }, { 13, 14 } },
		.nr = 3,
		.more = more_from,
		.added = 99,
	};
}

static struct state_out save(const struct state_table *table, void *obj)
{
	struct state_out out = { 0 };
	struct error err;

	if (state_save(&out, table, obj, &err))
		fail_msg("%s", err.text);
	return out;
}

static struct state_in in_of(const struct state_out *out)
{
	return (struct state_in){ out->data, out->len };
}

static void refused(const struct state_out *out, const struct state_table *t,
		    uint16_t version, const char *why)
{
	struct object to = { .more = more_to };
	struct error err = { "" };

	assert_int_equal(state_load(in_of(out), t, version, &to, &err),
			 -EINVAL);
	if (!strstr(err.text, why))
		fail_msg("'%s', not '%s'", err.text, why);
}

static void test_round_trip(void **state)
{
	struct object from = sample(), to = { .more = more_to, .added = 42 };
	struct state_out out = save(&table_1, &from);
	struct error err;

	(void)state;
	memset(more_to, 0, sizeof(more_to));
	assert_int_equal(from.prepared, 1);
	if (state_load(in_of(&out), &table_1, 1, &to, &err))
		fail_msg("%s", err.text);
	assert_int_equal(to.prepared, 1);
	assert_int_equal(to.loaded, 1);
	assert_int_equal(to.u8, 200);
	assert_int_equal(to.u64, from.u64);
	assert_true(to.yes);
	assert_memory_equal(to.list, from.list, sizeof(to.list));
	assert_int_equal(to.parts[1].b, 14);
	assert_int_equal(to.nr, 3);
	assert_int_equal(more_to[2].b, 30);
	assert_int_equal(more_to[3].b, 0);
	assert_int_equal(to.added, 42);

	to.refuse = true;
	assert_int_equal(state_load(in_of(&out), &table_1, 1, &to, &err),
			 -EINVAL);
	state_out_free(&out);
}

/* What was written by version 1 is read by version 2, and not the other way. */
static void test_versions(void **state)
{
	struct object from = sample(), to = { .more = more_to, .added = 42 };
	struct state_out old = save(&table_1, &from);
	struct state_out new = save(&table_2, &from);
	struct error err;

	(void)state;
	assert_int_equal(state_load(in_of(&old), &table_2, 1, &to, &err), 0);
	assert_int_equal(to.added, 42);
	assert_int_equal(state_load(in_of(&new), &table_2, 2, &to, &err), 0);
	assert_int_equal(to.added, 99);
	refused(&new, &table_1, 2, "version 2");
	refused(&new, &table_1, 1, "added: unknown here");
	refused(&old, &table_2, 2, "added: not there");
	refused(&old, &table_2, 0, "version 0");
	state_out_free(&old);
	state_out_free(&new);
}

/* Where the field's bytes are: behind its name, kind, size and count. */
static uint8_t *field(const struct state_out *out, const char *name)
{
	uint8_t *p = memmem(out->data, out->len, name, strlen(name));

	assert_non_null(p);
	return p + strlen(name);
}

static void test_bad_fields(void **state)
{
	struct object from = sample();
	struct state_out out = save(&table_1, &from);
	uint8_t *p;

	(void)state;
	p = field(&out, "u8");
	p[6] = 201;
	refused(&out, &table_1, 1, "u8: 201 is more than 200");
	p[6] = 1;
	p[0] = 9;
	refused(&out, &table_1, 1, "u8: of no known kind");
	p[0] = STATE_UINT;
	p[2] = 2;
	refused(&out, &table_1, 1, "u8: 2 of them, not 1");
	p[2] = 1;
	field(&out, "yes")[6] = 2;
	refused(&out, &table_1, 1, "yes: 2 is more than 1");
	field(&out, "yes")[6] = 1;
	p = field(&out, "u16");
	p[-1] = '7';
	refused(&out, &table_1, 1, "u17: unknown here");
	p[-1] = '6';
	field(&out, "nr")[6] = 2;
	refused(&out, &table_1, 1, "more: 3 of them, not 2");
	field(&out, "nr")[6] = 3;
	/* Into the list: u32 for u64. */
	field(&out, "u64")[1] = 4;
	refused(&out, &table_1, 1, "");
	state_out_free(&out);
}

static void test_cut_off(void **state)
{
	struct object from = sample(), to = { .more = more_to };
	struct state_out out = save(&table_1, &from);
	struct state_in in = in_of(&out);
	struct error err;
	uint8_t *exact;

	(void)state;
	for (in.len = 0; in.len < out.len; in.len++) {
		/* So that a checker sees what is read behind it. */
		exact = malloc(in.len + 1);
		memcpy(exact, out.data, in.len);
		assert_int_equal(state_load((struct state_in){ exact, in.len },
					    &table_1, 1, &to, &err),
				 -EINVAL);
		free(exact);
	}
	state_out_free(&out);
}

/* ---- the stream ----------------------------------------------------------------- */

static int stream(const struct state_out *body)
{
	int fd = memfd_create("state", 0);
	struct error err;

	assert_true(fd >= 0);
	assert_int_equal(state_file_begin(fd, &err), 0);
	assert_int_equal(state_file_put(fd, "first", 3, body, &err), 0);
	assert_int_equal(state_file_put(fd, "second", 1, NULL, &err), 0);
	assert_int_equal(state_file_end(fd, &err), 0);
	return fd;
}

/* All of it, as an inspector would; 0 if it is whole. */
static int read_all(int fd, struct error *err)
{
	struct state_section s;
	struct state_item it;
	int rc;

	lseek(fd, 0, SEEK_SET);
	rc = state_file_open(fd, err);
	while (!rc && (rc = state_file_next(fd, &s, err)) > 0) {
		struct state_in in = s.body;

		do
			rc = state_next(&in, &it, err);
		while (rc > 0);
		state_section_free(&s);
	}
	return rc;
}

static void test_stream(void **state)
{
	struct object from = sample();
	struct state_out out = save(&table_1, &from);
	struct state_section s;
	struct error err;
	int fd = stream(&out);

	(void)state;
	assert_int_equal(read_all(fd, &err), 0);
	lseek(fd, 0, SEEK_SET);
	assert_int_equal(state_file_open(fd, &err), 0);
	assert_int_equal(state_file_next(fd, &s, &err), 1);
	assert_string_equal(s.name, "first");
	assert_int_equal(s.version, 3);
	assert_int_equal(s.body.len, out.len);
	assert_memory_equal(s.body.data, out.data, out.len);
	state_section_free(&s);
	assert_int_equal(state_file_next(fd, &s, &err), 1);
	assert_string_equal(s.name, "second");
	assert_int_equal(s.body.len, 0);
	state_section_free(&s);
	assert_int_equal(state_file_next(fd, &s, &err), 0);
	close(fd);
	state_out_free(&out);
}

/* Each byte wrong, and each length too short. */
static void test_damaged(void **state)
{
	struct object from = sample();
	struct state_out out = save(&table_1, &from);
	struct error err;
	int fd = stream(&out);
	off_t len = lseek(fd, 0, SEEK_END), at;
	uint8_t byte, bad;

	(void)state;
	for (at = 0; at < len; at++) {
		assert_int_equal(pread(fd, &byte, 1, at), 1);
		bad = byte ^ 0x20;
		assert_int_equal(pwrite(fd, &bad, 1, at), 1);
		if (read_all(fd, &err) != -EINVAL)
			fail_msg("byte %ld is not missed", (long)at);
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	}
	assert_int_equal(read_all(fd, &err), 0);
	for (at = len - 1; at >= 0; at--) {
		assert_int_equal(ftruncate(fd, at), 0);
		assert_true(read_all(fd, &err) < 0);
	}
	close(fd);
	state_out_free(&out);
}

/* ---- devices --------------------------------------------------------------------- */

static void load(const struct state_out *out, struct device *dev)
{
	const struct state_table *t = dev->class->state;
	struct error err;

	dev->class->reset(dev);
	if (state_load(in_of(out), t, t->version, dev, &err))
		fail_msg("%s: %s", dev->id, err.text);
}

/* From one machine into another; and what that would keep is the same. */
static void move(struct device *from, struct device *to, bool same)
{
	struct state_out out = save(from->class->state, from), again;

	load(&out, to);
	again = save(to->class->state, to);
	assert_int_equal(out.len, again.len);
	if (same)
		assert_memory_equal(out.data, again.data, out.len);
	state_out_free(&out);
	state_out_free(&again);
}

static void test_i8042(void **state)
{
	struct machine *a = machine_new(), *b = machine_new();
	struct device *from = machine_add(a, &i8042_class, NULL);
	struct device *to = machine_add(b, &i8042_class, NULL);

	(void)state;
	outb(a, 0x64, 0x60); /* the configuration byte: interrupts */
	outb(a, 0x60, 0x45);
	outb(a, 0x64, 0xd2); /* as if the keyboard had sent */
	outb(a, 0x60, 0x77);
	assert_true(a->level[1]);
	move(from, to, true);
	assert_true(b->level[1]);
	assert_int_equal(inb(b, 0x60), 0x77);
	assert_false(b->level[1]);
	machine_free(a);
	machine_free(b);
}

static void test_rtc(void **state)
{
	struct machine *a = machine_new(), *b = machine_new();
	struct device *from = machine_add(a, &rtc_class, NULL);
	struct device *to = machine_add(b, &rtc_class, NULL);

	(void)state;
	outb(a, 0x70, 0x09); /* the year, which is an offset then */
	outb(a, 0x71, 0x77);
	outb(a, 0x70, 0x40); /* memory */
	outb(a, 0x71, 0xa5);
	move(from, to, false);
	assert_int_equal(inb(b, 0x71), 0xa5);
	outb(b, 0x70, 0x09);
	assert_int_equal(inb(b, 0x71), 0x77);
	machine_free(a);
	machine_free(b);
}

static void test_ich9(void **state)
{
	struct machine *a = machine_new(), *b = machine_new();
	struct device *from, *to;
	uint32_t then, now;

	(void)state;
	machine_add(a, &q35_host_class, NULL);
	machine_add(b, &q35_host_class, NULL);
	from = machine_add(a, &ich9_lpc_class, NULL);
	to = machine_add(b, &ich9_lpc_class, NULL);
	out(a, 0x602, 2, 0x100); /* the power button's interrupt */
	ich9_power_button(a->vm.ich9);
	assert_true(a->level[9]);
	/* Its timer is far from where the other's is. */
	then = in(a, 0x608, 4);
	move(from, to, false);
	assert_true(b->level[9]);
	now = in(b, 0x608, 4);
	assert_in_range((now - then) & 0xffffff, 0, 3579545 / 2);
	out(b, 0x600, 2, 0x100);
	assert_false(b->level[9]);
	machine_free(a);
	machine_free(b);
}

/* A state of another device is none of this one's. */
static void test_other_device(void **state)
{
	struct machine *a = machine_new();
	struct device *host = machine_add(a, &q35_host_class, NULL);
	struct state_out out = save(host->class->state, host);
	struct error err;

	(void)state;
	field(&out, "config")[6]++; /* the vendor */
	assert_int_equal(state_load(in_of(&out), host->class->state, 1, host,
				    &err),
			 -EINVAL);
	assert_non_null(strstr(err.text, "config: register 0"));
	state_out_free(&out);
	machine_free(a);
}

static void test_serial(void **state)
{
	struct machine *a = machine_new(), *b = machine_new();
	struct device *from = machine_add(a, &serial_class, "none");
	struct device *to = machine_add(b, &serial_class, "none");

	(void)state;
	outb(a, 0x3fa, 0x07); /* FIFOs */
	outb(a, 0x3fc, 0x1b); /* loopback, RTS, DTR, OUT2 */
	outb(a, 0x3f8, 'x');
	outb(a, 0x3f8, 'y');
	outb(a, 0x3ff, 0x5a);
	outb(a, 0x3fc, 0x0b);
	outb(a, 0x3f9, 0x01);
	pump(a->vm.loop, 20); /* posts are late */
	assert_true(a->level[4]);
	move(from, to, true);
	assert_true(b->level[4]);
	assert_int_equal(inb(b, 0x3ff), 0x5a);
	assert_int_equal(inb(b, 0x3f9), 0x01);
	assert_int_equal(inb(b, 0x3f8), 'x');
	assert_int_equal(inb(b, 0x3f8), 'y');
	assert_false(b->level[4]);
	machine_free(a);
	machine_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_bad_fields),
		cmocka_unit_test(test_cut_off),
		cmocka_unit_test(test_stream),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_i8042),
		cmocka_unit_test(test_rtc),
		cmocka_unit_test(test_ich9),
		cmocka_unit_test(test_other_device),
		cmocka_unit_test(test_serial),
	};

	memcpy(fields_1, object_fields, sizeof(fields_1));
	fields_1[NR_FIELDS - 2] = (struct state_field){ 0 };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
