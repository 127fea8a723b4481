// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The ACPI tables: their bytes against the specification, and, where iasl is
 * installed, iasl's opinion of them.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "boot/acpi.h"
#include "boot/aml.h"

#define GPA 0xe0000
#define CAP 0x20000

static const char *const names[] = { "FACP", "APIC", "MCFG" };

struct tables {
	uint8_t *buf;
	int len;
	unsigned int nr_cpus;
};

static uint64_t le(const uint8_t *p, unsigned int size)
{
	uint64_t v = 0;

	memcpy(&v, p, size);
	return v;
}

static uint8_t sum(const uint8_t *p, size_t len)
{
	uint8_t s = 0;

	while (len--)
		s = (uint8_t)(s + *p++);
	return s;
}

static void build(struct tables *t, unsigned int nr_cpus)
{
	const struct acpi_params params = {
		.nr_cpus = nr_cpus,
		.pci_mem64_base = 0x180000000,
		/* As many as there are processors. */
		.nr_virtio_mmio = nr_cpus,
		.hotplug = nr_cpus > 1,
	};

	t->nr_cpus = nr_cpus;
	t->buf = malloc(CAP);
	assert_non_null(t->buf);
	memset(t->buf, 0xa5, CAP);
	t->len = acpi_build(&params, t->buf, CAP, GPA);
	assert_true(t->len > 0 && t->len <= CAP);
}

/* A table that the guest would follow a pointer to. */
static const uint8_t *at(const struct tables *t, uint64_t gpa)
{
	assert_true(gpa >= GPA && gpa + 36 <= GPA + (uint64_t)t->len);
	return t->buf + (gpa - GPA);
}

static const uint8_t *table(const struct tables *t, uint64_t gpa,
			    const char *sig)
{
	const uint8_t *p = at(t, gpa);
	uint64_t len = le(p + 4, 4);

	assert_memory_equal(p, sig, 4);
	assert_true(len >= 36 && gpa + len <= GPA + (uint64_t)t->len);
	assert_int_equal(sum(p, len), 0);
	return p;
}

static const uint8_t *xsdt_table(const struct tables *t, unsigned int i)
{
	const uint8_t *xsdt = table(t, le(t->buf + 24, 8), "XSDT");

	assert_int_equal(le(xsdt + 4, 4), 36 + 8 * 3);
	return table(t, le(xsdt + 36 + 8 * i, 8), names[i]);
}

static const uint8_t *dsdt_table(const struct tables *t)
{
	return table(t, le(xsdt_table(t, 0) + 140, 8), "DSDT");
}

static void structure(const struct tables *t)
{
	const uint8_t *fadt, *facs, *madt, *mcfg, *p;
	unsigned int lapics = 0;

	assert_memory_equal(t->buf, "RSD PTR ", 8);
	assert_int_equal(sum(t->buf, 20), 0);
	assert_int_equal(sum(t->buf, 36), 0);
	assert_int_equal(t->buf[15], 2);

	fadt = xsdt_table(t, 0);
	assert_int_equal(le(fadt + 4, 4), 276);
	assert_int_equal(le(fadt + 40, 4), le(fadt + 140, 8));
	dsdt_table(t);
	facs = at(t, le(fadt + 36, 4));
	assert_memory_equal(facs, "FACS", 4);
	assert_int_equal(le(fadt + 36, 4) % 64, 0);
	assert_int_equal(le(facs + 4, 4), 64);
	assert_int_equal(le(fadt + 46, 2), 9);	   /* SCI_INT */
	assert_int_equal(le(fadt + 48, 4), 0);	   /* SMI_CMD */
	assert_int_equal(le(fadt + 56, 4), 0x600); /* PM1a_EVT_BLK */
	assert_int_equal(le(fadt + 64, 4), 0x604); /* PM1a_CNT_BLK */
	assert_int_equal(le(fadt + 76, 4), 0x608); /* PM_TMR_BLK */
	/* GPE0_BLK and its length: only with hot-plug. */
	assert_int_equal(le(fadt + 80, 4), t->nr_cpus > 1 ? 0x620 : 0);
	assert_int_equal(fadt[92], t->nr_cpus > 1 ? 16 : 0);
	/* Reset register there; not hardware-reduced; a fixed power button. */
	assert_int_equal(le(fadt + 112, 4) & (1 << 10), 1 << 10);
	assert_int_equal(le(fadt + 112, 4) & (1 << 20 | 1 << 4), 0);
	assert_int_equal(fadt[116], 1);
	assert_int_equal(le(fadt + 120, 8), 0xcf9);
	assert_int_equal(fadt[128], 6);

	madt = xsdt_table(t, 1);
	for (p = madt + 44; p < madt + le(madt + 4, 4); p += p[1]) {
		assert_true(p[1] >= 6);
		if (p[0] == 0) {
			assert_int_equal(p[2], lapics);
			assert_int_equal(p[3], lapics);
			lapics++;
		} else if (p[0] == 1) {
			assert_int_equal(le(p + 4, 4), 0xfec00000);
		} else if (p[0] == 2 && p[3] == 0) {
			assert_int_equal(le(p + 4, 4), 2);
		} else if (p[0] == 2) {
			assert_int_equal(p[3], 9);
			assert_int_equal(le(p + 4, 4), 9);
			assert_int_equal(le(p + 8, 2), 0xd);
		}
	}
	assert_ptr_equal(p, madt + le(madt + 4, 4));
	assert_int_equal(lapics, t->nr_cpus);

	mcfg = xsdt_table(t, 2);
	assert_int_equal(le(mcfg + 4, 4), 36 + 8 + 16);
	assert_int_equal(le(mcfg + 44, 8), 0xb0000000);
	assert_int_equal(mcfg[55], 0);
}

static void test_structure(void **state)
{
	static const unsigned int cpus[] = { 1, 4, 64 };
	struct tables t;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cpus) / sizeof(cpus[0]); i++) {
		build(&t, cpus[i]);
		structure(&t);
		free(t.buf);
	}
}

static void test_limits(void **state)
{
	struct acpi_params params = { .nr_cpus = 1, .nr_virtio_mmio = 1 };
	struct tables t;
	uint8_t *buf;
	int cap;

	(void)state;
	build(&t, 1);
	/* Too small by any amount: said so, and nothing written past it. */
	for (cap = 0; cap < t.len; cap += cap < t.len - 70 ? 61 : 1) {
		buf = malloc((size_t)cap + 1);
		assert_non_null(buf);
		buf[cap] = 0x5a;
		assert_int_equal(acpi_build(&params, buf, (size_t)cap, GPA),
				 -ENOSPC);
		assert_int_equal(buf[cap], 0x5a);
		free(buf);
	}
	params.nr_cpus = 0;
	assert_int_equal(acpi_build(&params, t.buf, CAP, GPA), -EINVAL);
	params.nr_cpus = 65;
	assert_int_equal(acpi_build(&params, t.buf, CAP, GPA), -EINVAL);
	free(t.buf);
}

static void test_aml(void **state)
{
	static const char want[] = "\x08_HID\x0c\x41\xd0\x0a\x08"
				   "\x10\x89\0\0\\_SB_\1"
				   "\x0a\2"
				   "\x0b\x34\x12"
				   "\x0c\x78\x56\x34\x12"
				   "\x0e\1\2\3\4\5\6\7\10"
				   "\x0dx";
	uint8_t buf[64];
	struct aml aml = { .buf = buf, .cap = sizeof(buf) };
	size_t mark;

	(void)state;
	aml_name(&aml, "_HID");
	aml_eisaid(&aml, "PNP0A08");
	mark = aml_scope(&aml, "\\_SB");
	aml_int(&aml, 1);
	aml_end(&aml, mark);
	aml_int(&aml, 2);
	aml_int(&aml, 0x1234);
	aml_int(&aml, 0x12345678);
	aml_int(&aml, 0x0807060504030201);
	aml_string(&aml, "x");
	assert_int_equal(aml.len, sizeof(want));
	assert_memory_equal(buf, want, sizeof(want));
}

static void run(const char *dir, const char *cmd)
{
	char line[512], out[512];
	FILE *f;

	snprintf(line, sizeof(line), "cd %s && %s", dir, cmd);
	if (!system(line))
		return;
	snprintf(out, sizeof(out), "%s/log", dir);
	f = fopen(out, "r");
	while (f && fgets(out, sizeof(out), f))
		print_message("%s", out);
	if (f)
		fclose(f);
	fail_msg("failed: %s", line);
}

static void write_table(const char *dir, const char *name, const uint8_t *p)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s.dat", dir, name);
	f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(p, le(p + 4, 4), 1, f), 1);
	assert_int_equal(fclose(f), 0);
}

/*
 * Disassembled and compiled again: no error, no warning, and all resources
 * understood (a bad template would come out as a plain buffer).
 */
static void test_iasl(void **state)
{
	static const unsigned int cpus[] = { 1, 64 };
	char dir[] = "/tmp/vireo-acpi-XXXXXX";
	char count[256];
	struct tables t;
	size_t i, n;

	(void)state;
	if (system("command -v iasl >/dev/null 2>&1")) {
		print_message("skipped: iasl is not installed\n");
		skip();
	}
	assert_non_null(mkdtemp(dir));
	for (i = 0; i < sizeof(cpus) / sizeof(cpus[0]); i++) {
		build(&t, cpus[i]);
		write_table(dir, "DSDT", dsdt_table(&t));
		for (n = 0; n < 3; n++)
			write_table(dir, names[n], xsdt_table(&t, (unsigned)n));
		free(t.buf);
		run(dir, "iasl -d *.dat >log 2>&1 && "
			 "! grep -iE 'warning|error|invalid' log");
		/* Data tables: the same but for compiler's name and checksum. */
		run(dir, "for t in FACP APIC MCFG; do "
			 "iasl -we -p new-$t $t.dsl >log 2>&1 && "
			 "grep -q ' 0 Errors, 0 Warnings, 0 Remarks' log && "
			 "! cmp -l $t.dat new-$t.aml | "
			 "grep -vE '^ *(10|29|3[0-6]) ' || exit 1; done");
		run(dir, "iasl -we -p new-DSDT DSDT.dsl >log 2>&1 && "
			 "grep -q ' 0 Errors, 0 Warnings, 0 Remarks' log");
		snprintf(count, sizeof(count),
			 "! grep -q 'Buffer (' DSDT.dsl && "
			 "test $(grep -c ResourceTemplate DSDT.dsl) = %u && "
			 "test $(grep -c LNRO0005 DSDT.dsl) = %u",
			 5 + cpus[i], cpus[i]);
		run(dir, count);
	}
	run(dir, "rm -rf \"$PWD\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_aml),
		cmocka_unit_test(test_structure),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_iasl),
	};

	return cmocka_run_group_tests_name("acpi", tests, NULL, NULL);
}
