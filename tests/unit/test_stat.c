// SPDX-License-Identifier: GPL-2.0-or-later
/* vireo-stat: its parsers, rates, tables and formats. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <jansson.h>

#include "cmocka_unit.h"
#include "../../tools/vireo-stat/file.h"
#include "../../tools/vireo-stat/format.h"
#include "../../tools/vireo-stat/read.h"
#include "../../tools/vireo-stat/table.h"

static struct object *new_vm(struct sample *s, const char *id, const char *name)
{
	struct object *vm;

	if (!s->host.id) {
		s->host.id = strdup("");
		s->host.name = strdup("");
	}
	vm = object_add(&s->host, OBJECT_VM, id, name);
	assert_non_null(vm);
	vm->pid = 42;
	return vm;
}

static uint64_t value(const struct object *o, enum source source,
		      const char *name)
{
	const struct number *n = object_number(o, source, name);

	assert_non_null(n);
	return n->value;
}

/* ---- pieces of files ----------------------------------------------------- */

static void numbers(void **state)
{
	uint64_t n = 7;

	(void)state;
	assert_true(parse_number("0", &n));
	assert_int_equal(n, 0);
	assert_true(parse_number("18446744073709551615", &n));
	assert_true(n == UINT64_MAX);
	assert_false(parse_number("18446744073709551616", &n));
	assert_false(parse_number("99999999999999999999999", &n));
	assert_false(parse_number("", &n));
	assert_false(parse_number("-1", &n));
	assert_false(parse_number("+1", &n));
	assert_false(parse_number("1 ", &n));
	assert_false(parse_number("0x1", &n));
	assert_true(n == UINT64_MAX);
}

static void lines_and_words(void **state)
{
	char text[] = "one  two\n\n three";
	char *rest = text, *line;

	(void)state;
	line = file_line(&rest);
	assert_string_equal(line, "one  two");
	assert_string_equal(file_word(&line), "one");
	assert_string_equal(file_word(&line), "two");
	assert_null(file_word(&line));
	assert_string_equal(file_line(&rest), "");
	line = file_line(&rest);
	assert_string_equal(file_word(&line), "three");
	assert_null(file_word(&line));
	assert_null(file_line(&rest));
	assert_null(file_line(&rest));
}

/* A file of @len bytes that repeat @text, and what file_read() makes of it. */
static char *through_file(const char *text, size_t text_len, size_t len)
{
	char path[] = "/tmp/vireo-stat-unit-XXXXXX", *got = NULL;
	int fd = mkstemp(path);
	FILE *f = fdopen(fd, "w");

	assert_non_null(f);
	for (size_t i = 0; i < len; i++)
		fputc(text[i % text_len], f);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(file_read(AT_FDCWD, path, &got, NULL), 0);
	unlink(path);
	return got;
}

static void files(void **state)
{
	static const char odd[] = "a\033[2Jb\tc\r\n\xc3\xa4\x7f\0next";
	char *text, *none;

	(void)state;
	text = through_file(odd, sizeof(odd) - 1, sizeof(odd) - 1);
	assert_string_equal(text, "a?[2Jb c?\n???\nnext");
	free(text);
	text = through_file("x", 1, 0);
	assert_string_equal(text, "");
	free(text);
	text = through_file("x\n", 2, 100000);
	assert_int_equal(strlen(text), 100000);
	free(text);
	/* The line that the limit cuts is left out. */
	text = through_file("1234567\n12\n", 11, FILE_LIMIT + 12345);
	assert_true(strlen(text) <= FILE_LIMIT);
	assert_true(strlen(text) > FILE_LIMIT - 8);
	assert_int_equal(text[strlen(text) - 1], '\n');
	free(text);
	/* One line that never ends has no whole line. */
	text = through_file("9", 1, FILE_LIMIT + 1);
	assert_string_equal(text, "");
	free(text);
	assert_int_equal(file_read(AT_FDCWD, "/tmp", &none, NULL), -EINVAL);
	assert_int_equal(file_read(AT_FDCWD, "/dev/zero", &none, NULL),
			 -EINVAL);
	assert_int_equal(file_read(AT_FDCWD, "/no/such", &none, NULL), -ENOENT);
}

static void pairs(void **state)
{
	char text[] = "served 12\nwhy because: it is\nname 42\n\nnothing\n"
		      " blank 1\nring_peak 9\nbig 18446744073709551616\nlast 3";
	struct sample s = { 0 };
	struct object *vm = new_vm(&s, "1-2", "x");

	(void)state;
	assert_int_equal(parse_pairs(vm, text, false), 0);
	assert_int_equal(vm->nr_numbers, 3);
	assert_int_equal(value(vm, SOURCE_VIREO, "served"), 12);
	assert_false(vm->numbers[0].gauge);
	assert_true(object_number(vm, SOURCE_VIREO, "ring_peak")->gauge);
	assert_int_equal(value(vm, SOURCE_VIREO, "last"), 3);
	assert_string_equal(object_text(vm, "why"), "because: it is");
	assert_string_equal(object_text(vm, "name"), "42");
	assert_null(object_text(vm, "nothing"));
	sample_clear(&s);
}

static void regions(void **state)
{
	char text[] = "id name  new bus reads odd\n"
		      "0  a      5  pio    17 text extra words\n"
		      "1  7      6  mmio\n"
		      "1  again  6  mmio\n"
		      "2\n"
		      "\n"
		      "3  c      x  y      z\n";
	struct sample s = { 0 };
	struct object *vm = new_vm(&s, "1-2", "x"), *r;

	(void)state;
	assert_int_equal(parse_regions(vm, text), 0);
	assert_int_equal(object_count(vm, OBJECT_REGION), 3);
	r = object_child(vm, OBJECT_REGION, "0");
	assert_string_equal(r->name, "a");
	assert_int_equal(value(r, SOURCE_VIREO, "reads"), 17);
	assert_int_equal(value(r, SOURCE_VIREO, "new"), 5);
	assert_string_equal(object_text(r, "odd"), "text");
	r = object_child(vm, OBJECT_REGION, "1");
	assert_string_equal(r->name, "7");
	assert_null(object_number(r, SOURCE_VIREO, "reads"));
	r = object_child(vm, OBJECT_REGION, "3");
	assert_string_equal(object_text(r, "new"), "x");
	assert_string_equal(object_text(r, "reads"), "z");
	sample_clear(&s);
}

static void queues(void **state)
{
	char text[] = "id name index fault in_flight read odd\n"
		      "1  disk0 0 0 3 17 text\n"
		      "2  disk0 1 4 0 18 text\n"
		      "depth 1 disk0:\n[1, 2) 17\n"
		      "latency 1 disk0:\n[1024, 2048) 16\n[2048, 4096) 1\n"
		      "depth 2 disk0:\n"
		      "latency 2 disk0:\n[64, 128) 18\n"
		      "latency 9 disk0:\n[64, 128) 1\n";
	char none[] = "id name index fault in_flight read\n";
	char odd[] = "depth 1 x:\n[1, 2) 3\n";
	struct sample s = { 0 };
	struct object *vm = new_vm(&s, "1-2", "x"), *q;

	(void)state;
	assert_int_equal(parse_queues(vm, none), 0);
	assert_int_equal(parse_queues(vm, odd), 0);
	assert_int_equal(object_count(vm, OBJECT_QUEUE), 0);
	assert_int_equal(parse_queues(vm, text), 0);
	assert_int_equal(object_count(vm, OBJECT_QUEUE), 2);
	assert_int_equal(object_count(vm, OBJECT_REGION), 0);
	q = object_child(vm, OBJECT_QUEUE, "1");
	assert_string_equal(q->name, "disk0");
	assert_int_equal(value(q, SOURCE_VIREO, "read"), 17);
	assert_false(object_number(q, SOURCE_VIREO, "read")->gauge);
	assert_true(object_number(q, SOURCE_VIREO, "in_flight")->gauge);
	assert_int_equal(q->nr_histograms, 1);
	assert_string_equal(q->histograms[0].name, "latency");
	assert_int_equal(q->histograms[0].nr_buckets, 2);
	q = object_child(vm, OBJECT_QUEUE, "2");
	assert_int_equal(value(q, SOURCE_VIREO, "fault"), 4);
	assert_int_equal(q->histograms[0].buckets[0].count, 18);
	sample_clear(&s);
}

static void many_columns(void **state)
{
	char text[4096] = "id name";
	struct sample s = { 0 };
	struct object *vm = new_vm(&s, "1-2", "x");

	(void)state;
	for (int i = 0; i < 300; i++)
		strcat(text, " c");
	strcat(text, "\n0 a");
	for (int i = 0; i < 300; i++)
		strcat(text, " 1");
	assert_int_equal(parse_regions(vm, text), 0);
	assert_true(vm->children[0].nr_numbers < 300);
	sample_clear(&s);
}

static void memory(void **state)
{
	char text[] = "range   object offset  access\n"
		      "0x00-0xff 0 0x0 rw\n"
		      "0x100-0x1ff 1 0x0 r\n"
		      "\n"
		      "id name pid bytes resident dirtied new\n"
		      "0 ram 7 4096 100 8192 1\n"
		      "1 rom 7 4096 50 x\n";
	char none[] = "range   object offset  access\n\n"
		      "id name pid bytes resident dirtied\n";
	struct sample s = { 0 };
	struct object *vm = new_vm(&s, "42-0", "vm");

	(void)state;
	assert_int_equal(parse_memory(vm, none), 0);
	assert_int_equal(vm->nr_numbers, 0);
	assert_int_equal(parse_memory(vm, text), 0);
	assert_int_equal(value(vm, SOURCE_VIREO, "memory_bytes"), 8192);
	assert_int_equal(value(vm, SOURCE_VIREO, "memory_resident"), 150);
	assert_int_equal(value(vm, SOURCE_VIREO, "memory_dirtied"), 8192);
	assert_int_equal(value(vm, SOURCE_VIREO, "memory_new"), 1);
	assert_true(object_number(vm, SOURCE_VIREO, "memory_bytes")->gauge);
	assert_false(object_number(vm, SOURCE_VIREO, "memory_dirtied")->gauge);
	assert_null(object_number(vm, SOURCE_VIREO, "memory_pid"));
	sample_clear(&s);
}

static void latency(void **state)
{
	char table[] = "id name\n0 serial0\n";
	char text[] = "[9, 10) 1\nserved_time:\n[0, 0) 1\n[0, 0) 2\n[1, 2) 3\n"
		      "[8, 4) 5\n[4, 5) x\n[4, 5]  7\n[, ) 1\n[ , ) 1\n"
		      "[4, 8) 4\n[2, 3) 9\n[16, inf) 1\n"
		      "served_time 0 serial0:\n[1, 2) 6\n"
		      "served_time 5 unknown:\n[1, 2) 7\n:\n[1, 2) 8\n";
	struct sample s = { 0 };
	struct object *vm = new_vm(&s, "1-2", "x"), *r;
	const struct histogram *h;

	(void)state;
	assert_int_equal(parse_regions(vm, table), 0);
	assert_int_equal(parse_latency(vm, text), 0);
	assert_int_equal(vm->nr_histograms, 1);
	h = vm->histograms;
	assert_string_equal(h->name, "served_time");
	assert_int_equal(h->nr_buckets, 4);
	assert_int_equal(h->buckets[0].count, 3);
	assert_int_equal(h->buckets[1].low, 1);
	assert_int_equal(h->buckets[2].count, 4);
	assert_true(h->buckets[3].high == NO_END);
	r = object_child(vm, OBJECT_REGION, "0");
	assert_int_equal(r->nr_histograms, 1);
	assert_int_equal(r->histograms[0].buckets[0].count, 6);
	sample_clear(&s);
}

/* ---- rates ---------------------------------------------------------------- */

static void rates(void **state)
{
	struct sample a = { .monotone = 10 }, b = { .monotone = 12.5 };
	struct object *vm = new_vm(&a, "1-2", "x");
	const struct number *n;

	(void)state;
	object_add_number(vm, SOURCE_KVM, "exits", 100, false);
	object_add_number(vm, SOURCE_VIREO, "exits", 1, false);
	object_add_number(vm, SOURCE_VIREO, "reset", 1000, false);
	object_add_number(vm, SOURCE_VIREO, "pages", 5, true);
	histogram_add(object_add_histogram(vm, "t"), 4, 8, 10);

	vm = new_vm(&b, "1-2", "x");
	/* Another order, and one that is new. */
	object_add_number(vm, SOURCE_VIREO, "new", 3, false);
	object_add_number(vm, SOURCE_VIREO, "exits", 1, false);
	object_add_number(vm, SOURCE_KVM, "exits", 350, false);
	object_add_number(vm, SOURCE_VIREO, "reset", 50, false);
	object_add_number(vm, SOURCE_VIREO, "pages", 1, true);
	histogram_add(object_add_histogram(vm, "t"), 2, 4, 7);
	histogram_add(vm->histograms, 4, 8, 15);
	object_add_number(new_vm(&b, "1-3", "y"), SOURCE_KVM, "exits", 9,
			  false);

	sample_rates(&b, &a);
	vm = b.host.children;
	assert_true(fabs(b.interval - 2.5) < 1e-9);
	assert_true(fabs(object_number(vm, SOURCE_KVM, "exits")->rate - 100) <
		    1e-9);
	n = object_number(vm, SOURCE_VIREO, "exits");
	assert_true(n->rated && n->rate >= 0 && n->rate < 1e-9);
	assert_true(fabs(object_number(vm, SOURCE_VIREO, "reset")->rate - 20) <
		    1e-9);
	assert_false(object_number(vm, SOURCE_VIREO, "pages")->rated);
	assert_false(object_number(vm, SOURCE_VIREO, "new")->rated);
	assert_true(vm->histograms[0].rated);
	assert_int_equal(vm->histograms[0].buckets[0].delta, 7);
	assert_int_equal(vm->histograms[0].buckets[1].delta, 5);
	/* A VM that has just come has none yet. */
	assert_false(b.host.children[1].numbers[0].rated);

	/* The clock has not moved. */
	a.monotone = b.monotone;
	b.interval = 0;
	b.host.children[0].numbers[1].rated = false;
	sample_rates(&b, &a);
	assert_false(b.host.children[0].numbers[1].rated);
	sample_clear(&a);
	sample_clear(&b);
}

static void keeps(void **state)
{
	struct sample s = { 0 };

	(void)state;
	new_vm(&s, "1-2", "one")->pid = 1;
	new_vm(&s, "2-2", "two")->pid = 2;
	new_vm(&s, "3-2", "2")->pid = 3;
	/* By pid and by name. */
	assert_int_equal(sample_keep(&s, "2"), 2);
	assert_string_equal(s.host.children[0].name, "two");
	assert_int_equal(sample_keep(&s, "3-2"), 1);
	assert_int_equal(sample_keep(&s, "none"), 0);
	sample_clear(&s);
}

/* ---- tables --------------------------------------------------------------- */

static void sorts(void **state)
{
	struct sample s = { .monotone = 1 };
	struct table t;
	static const uint64_t exits[] = { 5, 900, 17 };
	static const char *const names[] = { "b", "c", "a" };
	char *line;

	(void)state;
	for (int i = 0; i < 3; i++) {
		char id[] = { '1', '-', (char)('0' + i), '\0' };

		object_add_number(new_vm(&s, id, names[i]), SOURCE_KVM, "exits",
				  exits[i], false);
	}
	new_vm(&s, "1-9", "d");
	assert_int_equal(table_of_vms(&t, &s.host, UNIT_TOTAL), 0);
	table_sort(&t, 3, false);
	assert_string_equal(t.rows[0].cells[0].text, "c");
	assert_string_equal(t.rows[1].cells[0].text, "a");
	assert_string_equal(t.rows[2].cells[0].text, "b");
	assert_string_equal(t.rows[3].cells[0].text, "d");
	/* The unknown stays last. */
	table_sort(&t, 3, true);
	assert_string_equal(t.rows[0].cells[0].text, "b");
	assert_string_equal(t.rows[3].cells[0].text, "d");
	table_sort(&t, 0, false);
	assert_string_equal(t.rows[0].cells[0].text, "a");
	table_sort(&t, 99, false);
	line = table_line(&t, &t.rows[0]);
	assert_string_equal(line, "a      42      0     17       -       -"
				  "     -  -");
	free(line);
	table_clear(&t);
	/* Without rates nothing has one. */
	assert_int_equal(table_of_vms(&t, &s.host, UNIT_RATE), 0);
	assert_string_equal(t.rows[0].cells[3].text, "-");
	table_clear(&t);
	sample_clear(&s);
}

static void reasons(void **state)
{
	struct sample s = { 0 };
	struct object *vm = new_vm(&s, "1-2", "x");
	struct table t;

	(void)state;
	object_add_number(vm, SOURCE_KVM, "exits", 1000, false);
	object_add_number(vm, SOURCE_KVM, "io_exits", 600, false);
	object_add_number(vm, SOURCE_KVM, "halt_exits", 700, false);
	object_add_number(vm, SOURCE_KVM, "pf_taken", 900, false);
	assert_int_equal(table_of_vms(&t, &s.host, UNIT_TOTAL), 0);
	assert_string_equal(t.rows[0].cells[7].text, "halt_exits");
	assert_string_equal(t.rows[0].cells[6].text, "-");
	table_clear(&t);
	/* Exits to user space tell more. */
	object_add_number(vm, SOURCE_VIREO, "user", 5, false);
	object_add_number(vm, SOURCE_VIREO, "user_io", 3, false);
	object_add_number(vm, SOURCE_VIREO, "user_mmio", 2, false);
	assert_int_equal(table_of_vms(&t, &s.host, UNIT_TOTAL), 0);
	assert_string_equal(t.rows[0].cells[7].text, "user_io");
	assert_string_equal(t.rows[0].cells[6].text, "5");
	table_clear(&t);
	sample_clear(&s);
}

static void bars(void **state)
{
	struct sample s = { 0 };
	struct object *vm = new_vm(&s, "1-2", "x");
	struct histogram *h = object_add_histogram(vm, "served_time");
	struct table t;

	(void)state;
	histogram_add(h, 0, 900, 1);
	histogram_add(h, 900, 1800, UINT64_MAX);
	histogram_add(h, 1800, NO_END, UINT64_MAX / 2);
	assert_int_equal(table_of_latency(&t, vm, UNIT_TOTAL), 0);
	assert_int_equal(t.nr_rows, 3);
	assert_string_equal(t.rows[0].cells[0].text, "served_time");
	assert_string_equal(t.rows[1].cells[0].text, "");
	assert_string_equal(t.rows[0].cells[2].text, "900 ns");
	assert_string_equal(t.rows[1].cells[2].text, "1.8 us");
	assert_string_equal(t.rows[2].cells[2].text, "-");
	/* What is there shows. */
	assert_int_equal(strlen(t.rows[0].cells[4].text), 1);
	assert_int_equal(strlen(t.rows[1].cells[4].text), 40);
	assert_int_equal(strlen(t.rows[2].cells[4].text), 20);
	table_clear(&t);
	sample_clear(&s);
}

/* ---- formats --------------------------------------------------------------- */

static const char hostile[] = "a\"b\\c,d{}$(e)";

static void hostile_sample(struct sample *s)
{
	struct object *vm = new_vm(s, "1-2", hostile), *r;

	s->wall = 1000;
	object_add_number(&s->host, SOURCE_KVM, "exits", 5, false);
	object_add_number(vm, SOURCE_KVM, "exits", 5, false);
	object_add_number(vm, SOURCE_VIREO, "a-b", UINT64_MAX, false);
	object_add_number(vm, SOURCE_VIREO, "a.b", 2, false);
	object_add_number(vm, SOURCE_VIREO, "tsc_khz", 1000000, true);
	r = object_add(vm, OBJECT_REGION, "0", hostile);
	object_add_text(r, "bus", hostile);
	object_add_text(r, "unknown", "text");
	object_add_number(r, SOURCE_VIREO, "reads", 1, false);
	histogram_add(object_add_histogram(vm, "served_time"), 1, 2, 3);
	histogram_add(vm->histograms, 32, 64, 4);
	histogram_add(vm->histograms, 1ULL << 40, NO_END, 5);
}

static char *formatted(int (*format)(const struct sample *, FILE *))
{
	struct sample s = { 0 };
	size_t len;
	char *text;
	FILE *out = open_memstream(&text, &len);

	hostile_sample(&s);
	assert_int_equal(format(&s, out), 0);
	fclose(out);
	sample_clear(&s);
	return text;
}

static void has_line(const char *text, const char *line)
{
	const char *at = text;
	size_t n = strlen(line);

	while ((at = strstr(at, line))) {
		if ((at == text || at[-1] == '\n') && at[n] == '\n')
			return;
		at++;
	}
	fail_msg("there is no line '%s' in:\n%s", line, text);
}

static void json(void **state)
{
	char *text = formatted(format_json);
	json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, NULL), *vm;

	(void)state;
	assert_non_null(root);
	assert_int_equal(strchr(text, '\n') - text, strlen(text) - 1);
	vm = json_array_get(json_object_get(root, "vms"), 0);
	assert_string_equal(json_string_value(json_object_get(vm, "name")),
			    hostile);
	assert_true(
		json_real_value(json_object_get(json_object_get(vm, "vireo"),
						"a-b")) > 1.8e19);
	assert_null(json_object_get(vm, "rates"));
	vm = json_array_get(json_object_get(vm, "regions"), 0);
	assert_string_equal(json_string_value(json_object_get(vm, "unknown")),
			    "text");
	json_decref(root);
	free(text);
}

static void csv(void **state)
{
	char *text = formatted(format_csv);

	(void)state;
	has_line(text, "1000.000,,,,host,,,kvm,exits,,,5,");
	has_line(text, "1000.000,\"a\"\"b\\c,d{}$(e)\",42,1-2,vm,,,kvm,exits,,"
		       ",5,");
	has_line(text, "1000.000,\"a\"\"b\\c,d{}$(e)\",42,1-2,region,0,"
		       "\"a\"\"b\\c,d{}$(e)\",vireo,reads,,,1,");
	has_line(text, "1000.000,\"a\"\"b\\c,d{}$(e)\",42,1-2,vm,,,vireo,"
		       "served_time,1099511627776,,5,");
	free(text);
}

static void prometheus(void **state)
{
#define VM "vm=\"a\\\"b\\\\c,d{}$(e)\",vm_id=\"1-2\",pid=\"42\""
	char *text = formatted(format_prometheus);

	(void)state;
	has_line(text, "kvm_exits_total 5");
	has_line(text, "# TYPE kvm_vm_exits_total counter");
	has_line(text, "kvm_vm_exits_total{" VM "} 5");
	has_line(text, "# TYPE vireo_vm_tsc_khz gauge");
	/* Of two names that become one, one is left. */
	has_line(text, "vireo_vm_a_b_total{" VM "} 18446744073709551615");
	assert_null(strstr(strstr(text, "\nvireo_vm_a_b_total{") + 1,
			   "\nvireo_vm_a_b_total{"));
	has_line(text,
		 "vireo_region_info{" VM ",region=\"a\\\"b\\\\c,d{}$(e)\","
		 "region_id=\"0\",bus=\"a\\\"b\\\\c,d{}$(e)\"} 1");
	/* A cycle is a nanosecond: 32 is the first edge. */
	has_line(text, "# TYPE vireo_vm_served_time_seconds histogram");
	has_line(text, "vireo_vm_served_time_seconds_bucket{" VM
		       ",le=\"3.2e-08\"} 3");
	has_line(text, "vireo_vm_served_time_seconds_bucket{" VM
		       ",le=\"6.4e-08\"} 7");
	has_line(text, "vireo_vm_served_time_seconds_bucket{" VM
		       ",le=\"4.2949673\"} 7");
	has_line(text,
		 "vireo_vm_served_time_seconds_bucket{" VM ",le=\"+Inf\"} 12");
	has_line(text, "vireo_vm_served_time_seconds_count{" VM "} 12");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),    cmocka_unit_test(lines_and_words),
		cmocka_unit_test(files),      cmocka_unit_test(pairs),
		cmocka_unit_test(memory),     cmocka_unit_test(regions),
		cmocka_unit_test(queues),     cmocka_unit_test(many_columns),
		cmocka_unit_test(latency),    cmocka_unit_test(rates),
		cmocka_unit_test(keeps),      cmocka_unit_test(sorts),
		cmocka_unit_test(reasons),    cmocka_unit_test(bars),
		cmocka_unit_test(json),	      cmocka_unit_test(csv),
		cmocka_unit_test(prometheus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
