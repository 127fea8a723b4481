// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Real-time clock and CMOS memory at 70h (Motorola MC146818 data sheet; the
 * century in byte 32h as IBM placed it).
 *
 * The clock is the host's, in UTC, plus an offset which is all that the guest
 * changes when it sets the time.  While the clock is halted (SET, or the
 * divider held in reset) the time lies in cmos[]; otherwise cmos[] holds only
 * what was last looked at.
 *
 * The flags of register C are brought up to date when somebody looks and by
 * one timer, which runs only while an interrupt is enabled.
 */
#include <errno.h>
#include <time.h>

#include "../error.h"
#include "../fastpath.h"
#include "../state.h"
#include "../vm.h"
#include "devices.h"

#define RTC_PORT 0x70
#define RTC_IRQ 8

#define NS 1000000000LL
#define UPDATE_NS 244000 /* UIP goes up this long before an update */
#define DAY 86400

enum {
	REG_SEC,
	REG_SEC_ALARM,
	REG_MIN,
	REG_MIN_ALARM,
	REG_HOUR,
	REG_HOUR_ALARM,
	REG_WDAY,
	REG_DAY,
	REG_MONTH,
	REG_YEAR,
	REG_A,
	REG_B,
	REG_C,
	REG_D,
	REG_CENTURY = 0x32,
};

#define A_UIP 0x80
#define A_DV 0x70
#define A_DV_RESET 0x60 /* 6 and 7: the divider is held in reset */
#define A_RATE 0x0f

#define B_SET 0x80
#define B_PIE 0x40
#define B_AIE 0x20
#define B_UIE 0x10
#define B_SQWE 0x08
#define B_BINARY 0x04
#define B_24H 0x02

#define C_IRQF 0x80
#define C_PF 0x40
#define C_AF 0x20
#define C_UF 0x10

#define D_VALID 0x80

#define HOUR_PM 0x80
#define ALARM_ANY 0xc0 /* from here up an alarm byte matches anything */

struct rtc {
	struct device dev;
	struct bus_range range;
	struct fast_region fast;
	struct irq_source irq;
	struct loop_timer timer;

	/* Under dev.lock. */
	uint8_t cmos[128];
	int64_t offset_s;   /* guest time - host time */
	int32_t offset_ns;  /* 0 to NS - 1 */
	int64_t last_s;	    /* UF and AF are right up to this second */
	uint64_t last_tick; /* PF is right up to this period */
	uint8_t index;	    /* while it is saved or loaded */
};

/*
 * The index is a byte of the shadow page and nothing else knows it.  A real
 * chip's cannot be read; here it reads as written.  Bit 7 masks the NMI, of
 * which there is none.
 *
 * cmos[] is in the shadow page too, and what lies there from D on is read from
 * it.  The century is, though it is a part of the time: a driver reads it last,
 * and every look at the time brings it up to date.
 */
#define SHADOW_INDEX 0
#define SHADOW_CMOS 128
#define INDEX_MASK 0x7f

static const struct vireo_rule rtc_rules[] = {
	{ .type = VIREO_RULE_SHADOW,
	  .widths = VIREO_WIDTH_1,
	  .flags = VIREO_RULE_WRITE_THROUGH,
	  .len = 1,
	  .shadow = SHADOW_INDEX },
	/* 10h up, then 0eh and 0fh, then D. */
	{ .type = VIREO_RULE_INDEXED,
	  .widths = VIREO_WIDTH_1,
	  .flags = VIREO_RULE_NOT_EQUAL,
	  .offset = 1,
	  .len = 1,
	  .shadow = SHADOW_CMOS,
	  .index = SHADOW_INDEX,
	  .mask = 0x70,
	  .index_mask = INDEX_MASK },
	{ .type = VIREO_RULE_INDEXED,
	  .widths = VIREO_WIDTH_1,
	  .offset = 1,
	  .len = 1,
	  .shadow = SHADOW_CMOS,
	  .index = SHADOW_INDEX,
	  .value = 0x0e,
	  .mask = 0x7e,
	  .index_mask = INDEX_MASK },
	{ .type = VIREO_RULE_INDEXED,
	  .widths = VIREO_WIDTH_1,
	  .offset = 1,
	  .len = 1,
	  .shadow = SHADOW_CMOS,
	  .index = SHADOW_INDEX,
	  .value = REG_D,
	  .mask = INDEX_MASK,
	  .index_mask = INDEX_MASK },
};

/* Read once for each access. */
static unsigned int latched_index(const struct rtc *r)
{
	return bus_load(r->fast.shadow + SHADOW_INDEX, 1) & INDEX_MASK;
}

static void set_byte(struct rtc *r, unsigned int index, uint8_t val)
{
	r->cmos[index] = val;
	fast_shadow8(&r->fast, SHADOW_CMOS + index, val);
}

struct rtc_time {
	int64_t s; /* since 1970 */
	int32_t ns;
};

static struct rtc_time rtc_now(const struct rtc *r)
{
	struct timespec ts;
	struct rtc_time t;

	clock_gettime(CLOCK_REALTIME, &ts);
	t.s = ts.tv_sec + r->offset_s;
	t.ns = (int32_t)ts.tv_nsec + r->offset_ns;
	if (t.ns >= NS) {
		t.ns -= NS;
		t.s++;
	}
	return t;
}

static void rtc_set_now(struct rtc *r, int64_t s, int32_t ns)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	r->offset_s = s - ts.tv_sec;
	r->offset_ns = ns - (int32_t)ts.tv_nsec;
	if (r->offset_ns < 0) {
		r->offset_ns += NS;
		r->offset_s--;
	}
	r->last_s = s;
}

/* ---- calendar ------------------------------------------------------------ */

/*
 * Days since 1970-01-01 in the Gregorian calendar.  Years are counted from
 * March, which puts the leap day at the end.  (libc's gmtime would read the
 * time zone database first.)
 */
static int64_t days_from_date(int64_t year, int month, int day)
{
	int from_march = (month + 9) % 12;

	if (from_march >= 10)
		year--;
	return 365 * year + year / 4 - year / 100 + year / 400 +
	       (153 * from_march + 2) / 5 + day - 1 - 719468;
}

static uint8_t encode(const struct rtc *r, int val)
{
	if (r->cmos[REG_B] & B_BINARY)
		return (uint8_t)val;
	return (uint8_t)(val / 10 << 4 | val % 10);
}

static int decode(const struct rtc *r, uint8_t val)
{
	if (r->cmos[REG_B] & B_BINARY)
		return val;
	return (val >> 4) * 10 + (val & 15);
}

static uint8_t encode_hour(const struct rtc *r, int hour)
{
	uint8_t pm;

	if (r->cmos[REG_B] & B_24H)
		return encode(r, hour);
	pm = hour >= 12 ? HOUR_PM : 0;
	hour %= 12;
	return encode(r, hour ? hour : 12) | pm;
}

static int decode_hour(const struct rtc *r, uint8_t val)
{
	int hour;

	if (r->cmos[REG_B] & B_24H)
		return decode(r, val);
	hour = decode(r, val & (uint8_t)~HOUR_PM) % 12;
	return val & HOUR_PM ? hour + 12 : hour;
}

/* The time @s into the registers. */
static void store_time(struct rtc *r, int64_t s)
{
	int64_t days = s / DAY, year;
	int rest = (int)(s % DAY), month = 1;

	if (rest < 0) {
		rest += DAY;
		days--;
	}
	year = 1970 + (days >= 0 ? days / 366 : days / 365 - 1);
	while (days >= days_from_date(year + 1, 1, 1))
		year++;
	while (month < 12 && days >= days_from_date(year, month + 1, 1))
		month++;

	r->cmos[REG_SEC] = encode(r, rest % 60);
	r->cmos[REG_MIN] = encode(r, rest / 60 % 60);
	r->cmos[REG_HOUR] = encode_hour(r, rest / 3600);
	/* 1970-01-01 was a Thursday; Sunday is 1. */
	r->cmos[REG_WDAY] = encode(r, (int)((days % 7 + 11) % 7) + 1);
	r->cmos[REG_DAY] =
		encode(r, (int)(days - days_from_date(year, month, 1)) + 1);
	r->cmos[REG_MONTH] = encode(r, month);
	r->cmos[REG_YEAR] = encode(r, (int)(year % 100));
	set_byte(r, REG_CENTURY, encode(r, (int)(year / 100)));
}

/* Nonsense in the registers gives some time or other, no more. */
static int64_t load_time(const struct rtc *r)
{
	const uint8_t *c = r->cmos;
	int64_t days = days_from_date(decode(r, c[REG_CENTURY]) * 100 +
					      decode(r, c[REG_YEAR]),
				      decode(r, c[REG_MONTH]),
				      decode(r, c[REG_DAY]));

	return days * DAY + decode_hour(r, c[REG_HOUR]) * 3600 +
	       decode(r, c[REG_MIN]) * 60 + decode(r, c[REG_SEC]);
}

static bool alarm_byte(uint8_t alarm, uint8_t now)
{
	return alarm >= ALARM_ANY || alarm == now;
}

static bool alarm_matches(const struct rtc *r, int64_t s)
{
	int t = (int)(s % DAY);

	if (t < 0)
		t += DAY;
	return alarm_byte(r->cmos[REG_SEC_ALARM], encode(r, t % 60)) &&
	       alarm_byte(r->cmos[REG_MIN_ALARM], encode(r, t / 60 % 60)) &&
	       alarm_byte(r->cmos[REG_HOUR_ALARM], encode_hour(r, t / 3600));
}

/* ---- flags and interrupts --------------------------------------------------
 */

static bool halted(const struct rtc *r)
{
	return (r->cmos[REG_B] & B_SET) ||
	       (r->cmos[REG_A] & A_DV_RESET) == A_DV_RESET;
}

/* Of the periodic interrupt, in ns; 0: none (table 5, 32.768 kHz). */
static uint64_t period(const struct rtc *r)
{
	unsigned int rate = r->cmos[REG_A] & A_RATE;

	if (!rate)
		return 0;
	if (rate <= 2) /* as 8 and 9 */
		rate += 7;
	return (uint64_t)NS * (1U << (rate - 1)) / 32768;
}

/* Brings the flags up to now.  The loop is bounded by the time that passed. */
static void sync_flags(struct rtc *r)
{
	struct rtc_time now;
	uint64_t p = period(r), tick;
	int64_t s;

	if (p) {
		tick = loop_now() / p;
		if (tick != r->last_tick)
			r->cmos[REG_C] |= C_PF;
		r->last_tick = tick;
	}
	if (halted(r))
		return;
	now = rtc_now(r);
	if (now.s == r->last_s)
		return;
	r->cmos[REG_C] |= C_UF;
	s = r->last_s + 1;
	if (now.s < s) /* the host's clock was set back */
		s = now.s;
	else if (now.s - s >= DAY)
		s = now.s - DAY + 1;
	for (; s <= now.s && !(r->cmos[REG_C] & C_AF); s++) {
		if (alarm_matches(r, s))
			r->cmos[REG_C] |= C_AF;
	}
	r->last_s = now.s;
}

/* The interrupt line and the timer as the registers ask for. */
static void update(struct rtc *r)
{
	uint8_t *c = r->cmos;
	uint64_t p = period(r), next = UINT64_MAX, now = loop_now();

	c[REG_C] &= (uint8_t)~C_IRQF;
	if (c[REG_B] & c[REG_C] & (C_PF | C_AF | C_UF))
		c[REG_C] |= C_IRQF;
	irq_set(&r->irq, c[REG_C] & C_IRQF);

	if ((c[REG_B] & (B_AIE | B_UIE)) && !halted(r))
		next = now + (uint64_t)(NS - rtc_now(r).ns);
	/* One that nobody has seen need not come again. */
	if ((c[REG_B] & B_PIE) && p && !(c[REG_C] & C_PF) &&
	    next > (r->last_tick + 1) * p)
		next = (r->last_tick + 1) * p;
	if (next != UINT64_MAX)
		loop_timer_arm(r->dev.vm->loop, &r->timer, next);
	else
		loop_timer_cancel(r->dev.vm->loop, &r->timer);
}

static void rtc_tick(void *opaque)
{
	struct rtc *r = opaque;

	pthread_mutex_lock(&r->dev.lock);
	sync_flags(r);
	update(r);
	pthread_mutex_unlock(&r->dev.lock);
}

/* ---- registers
 * --------------------------------------------------------------- */

static bool is_time(unsigned int index)
{
	switch (index) {
	case REG_SEC:
	case REG_MIN:
	case REG_HOUR:
	case REG_WDAY:
	case REG_DAY:
	case REG_MONTH:
	case REG_YEAR:
	case REG_CENTURY:
		return true;
	}
	return false;
}

/*
 * The clock stops with the time in the registers and runs on from what is in
 * them; an update follows half a second after the divider leaves reset.
 */
static void write_control(struct rtc *r, unsigned int index, uint8_t val)
{
	bool was_halted = halted(r);
	struct rtc_time now = rtc_now(r);

	sync_flags(r);
	if (!was_halted) /* in the old mode, if the mode changes too */
		store_time(r, now.s);
	if (index == REG_B && (val & B_SET))
		val &= (uint8_t)~B_UIE;
	r->cmos[index] = val;
	if (index == REG_A)
		r->cmos[REG_A] &= (uint8_t)~A_UIP;
	if (was_halted && !halted(r))
		rtc_set_now(r, load_time(r), index == REG_A ? NS / 2 : now.ns);
	if (!halted(r)) /* the century, in the new mode */
		store_time(r, rtc_now(r).s);
	if (index == REG_A && period(r))
		r->last_tick = loop_now() / period(r);
	update(r);
}

static void write_data(struct rtc *r, uint8_t val)
{
	unsigned int index = latched_index(r);
	struct rtc_time now;

	switch (index) {
	case REG_A:
	case REG_B:
		write_control(r, index, val);
		return;
	case REG_C:
	case REG_D:
		return;
	case REG_SEC_ALARM:
	case REG_MIN_ALARM:
	case REG_HOUR_ALARM:
		sync_flags(r); /* what passed is for the old alarm */
		break;
	}
	if (!is_time(index) || halted(r)) {
		set_byte(r, index, val);
		return;
	}
	now = rtc_now(r);
	store_time(r, now.s);
	set_byte(r, index, val);
	rtc_set_now(r, load_time(r), now.ns);
	update(r);
}

static uint8_t read_data(struct rtc *r)
{
	unsigned int index = latched_index(r);
	uint8_t val;

	if (is_time(index) && !halted(r))
		store_time(r, rtc_now(r).s);
	val = r->cmos[index];
	if (index == REG_A && !halted(r) && rtc_now(r).ns >= NS - UPDATE_NS)
		val |= A_UIP;
	if (index == REG_C) {
		sync_flags(r);
		update(r);
		val = r->cmos[REG_C];
		r->cmos[REG_C] = 0;
		update(r);
	}
	return val;
}

static uint64_t rtc_read(void *dev, uint64_t off, unsigned int size)
{
	struct rtc *r = dev;
	uint64_t val;

	if (off)
		return read_data(r);
	val = bus_load(r->fast.shadow + SHADOW_INDEX, 1);
	if (size == 2)
		val |= (uint64_t)read_data(r) << 8;
	return val;
}

static void rtc_write(void *dev, uint64_t off, unsigned int size, uint64_t val)
{
	struct rtc *r = dev;

	if (!off) {
		fast_shadow8(&r->fast, SHADOW_INDEX, (uint8_t)val);
		if (size == 1)
			return;
		val >>= 8;
	}
	write_data(r, (uint8_t)val);
}

static const struct bus_ops rtc_ops = {
	.read = rtc_read,
	.write = rtc_write,
};

/* ---- life ------------------------------------------------------------------
 */

static void put16(uint8_t *p, uint64_t val)
{
	if (val > 0xffff)
		val = 0xffff;
	p[0] = (uint8_t)val;
	p[1] = (uint8_t)(val >> 8);
}

/* What PC firmware expects to find about the machine. */
static void fill_cmos(struct rtc *r, const struct vm *vm)
{
	uint64_t low = vm->mem.size, high = 0;
	uint8_t *c = r->cmos;
	unsigned int i, sum = 0;

	if (low > RAM_LOW_MAX) {
		high = low - RAM_LOW_MAX;
		low = RAM_LOW_MAX;
	}
	c[REG_A] = 0x26; /* 32.768 kHz, 1024 Hz periodic */
	c[REG_B] = B_24H;
	c[REG_D] = D_VALID;
	c[0x14] = 0x02; /* equipment: an FPU */
	put16(&c[0x15], 640);
	put16(&c[0x17], low > 0x100000 ? (low - 0x100000) >> 10 : 0);
	put16(&c[0x30], low > 0x100000 ? (low - 0x100000) >> 10 : 0);
	put16(&c[0x34], low > 0x1000000 ? (low - 0x1000000) >> 16 : 0);
	c[0x5b] = (uint8_t)(high >> 16);
	c[0x5c] = (uint8_t)(high >> 24);
	c[0x5d] = (uint8_t)(high >> 32);
	for (i = 0x10; i < 0x2e; i++)
		sum += c[i];
	c[0x2e] = (uint8_t)(sum >> 8);
	c[0x2f] = (uint8_t)sum;
}

static int rtc_realize(struct device *dev, const void *config,
		       struct error *err)
{
	struct rtc *r = (struct rtc *)dev;
	int ret;

	(void)config;
	r->range = (struct bus_range){
		.name = dev->id,
		.base = RTC_PORT,
		.len = 2,
		.ops = &rtc_ops,
		.dev = r,
		.lock = &dev->lock,
		.fast = &r->fast,
	};
	r->fast.rules = rtc_rules;
	r->fast.nr_rules = sizeof(rtc_rules) / sizeof(rtc_rules[0]);
	r->timer = (struct loop_timer){ .fn = rtc_tick, .opaque = r };
	irq_source_init(&r->irq, &dev->vm->irqs, RTC_IRQ);
	fill_cmos(r, dev->vm);

	ret = fast_region_init(&r->fast, dev->vm, &r->range, err);
	if (ret < 0)
		return ret;
	ret = bus_insert(&dev->vm->pio, &r->range, err);
	if (ret < 0)
		goto err_fast;
	return 0;

err_fast:
	fast_region_destroy(&r->fast);
	return ret;
}

/* From now on, with what is in cmos[]. */
static void take_up(struct rtc *r)
{
	unsigned int i;

	for (i = 0; i < sizeof(r->cmos); i++)
		set_byte(r, i, r->cmos[i]);
	if (!halted(r))
		store_time(r, rtc_now(r).s);
	r->last_s = rtc_now(r).s;
	r->last_tick = period(r) ? loop_now() / period(r) : 0;
	update(r);
}

/* The battery keeps memory and time; RESET# clears the interrupts. */
static void rtc_reset(struct device *dev)
{
	struct rtc *r = (struct rtc *)dev;

	pthread_mutex_lock(&dev->lock);
	r->cmos[REG_B] &= (uint8_t) ~(B_PIE | B_AIE | B_UIE | B_SQWE);
	r->cmos[REG_C] = 0;
	take_up(r);
	pthread_mutex_unlock(&dev->lock);
}

static const struct state_field rtc_fields[] = {
	{ STATE_U(struct rtc, index) },
	{ STATE_BYTES(struct rtc, cmos) },
	{ STATE_U(struct rtc, offset_s) },
	{ STATE_U(struct rtc, offset_ns), .max = NS - 1 },
	{ 0 },
};

static int rtc_prepare(void *obj, struct error *err)
{
	struct rtc *r = obj;

	(void)err;
	pthread_mutex_lock(&r->dev.lock);
	sync_flags(r);
	r->index = (uint8_t)bus_load(r->fast.shadow + SHADOW_INDEX, 1);
	pthread_mutex_unlock(&r->dev.lock);
	return 0;
}

/* The time has gone on; an alarm that it passed was nobody's to see. */
static int rtc_loaded(void *obj, struct error *err)
{
	/* Of years that a driver may set, and more. */
	const int64_t most = 20000LL * 366 * DAY;
	struct rtc *r = obj;

	if (r->offset_s > most || r->offset_s < -most)
		return error_set(err, EINVAL, "offset_s: out of range");
	pthread_mutex_lock(&r->dev.lock);
	fast_shadow8(&r->fast, SHADOW_INDEX, r->index);
	take_up(r);
	pthread_mutex_unlock(&r->dev.lock);
	return 0;
}

static const struct state_table rtc_state = {
	.version = 1,
	.fields = rtc_fields,
	.prepare = rtc_prepare,
	.loaded = rtc_loaded,
};

static void rtc_start(struct device *dev)
{
	rtc_tick(dev);
}

static void rtc_stop(struct device *dev)
{
	struct rtc *r = (struct rtc *)dev;

	loop_timer_cancel(dev->vm->loop, &r->timer);
}

static void rtc_unrealize(struct device *dev)
{
	struct rtc *r = (struct rtc *)dev;

	bus_remove(&dev->vm->pio, &r->range);
	loop_timer_cancel(dev->vm->loop, &r->timer);
	fast_region_destroy(&r->fast);
}

const struct dev_class rtc_class = {
	.name = "rtc",
	.size = sizeof(struct rtc),
	.realize = rtc_realize,
	.reset = rtc_reset,
	.start = rtc_start,
	.stop = rtc_stop,
	.state = &rtc_state,
	.unrealize = rtc_unrealize,
};
