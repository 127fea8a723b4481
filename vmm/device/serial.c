// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * 16550A UART at 3f8h (National Semiconductor PC16550D data sheet, June 1995;
 * section numbers in comments are from there).
 *
 * The line is a perfect one: no parity or framing errors, no breaks, and no
 * overrun, since the sender honours RTS and the room in the FIFO.  So reading
 * LSR has no side effect, the receiver line status interrupt has no source,
 * and LSR can be read from the shadow page.  A character goes out at once;
 * the transmitter is busy only while the chardev asks to hold back.
 *
 * IER is posted too, as a console writes it twice for each line: who looks at
 * the state takes the posts first, so that the interrupt follows from what the
 * guest had written by then.  Switching an interrupt off late gives at worst one
 * for nothing; switching one on is not left waiting for more (serial_urgent).
 *
 * Input flows only while the guest asserts RTS.  A driver clears the FIFOs
 * when it starts and raises RTS when somebody opens the port: what was piped
 * in before that would be lost otherwise.
 */
#include <linux/serial_reg.h>

#include "../chardev.h"
#include "../fastpath.h"
#include "../state.h"
#include "../vm.h"
#include "devices.h"

#define SERIAL_BASE 0x3f8
#define SERIAL_PORTS 8
#define SERIAL_IRQ 4
#define SERIAL_FIFO 16
/* How long posted characters wait for more of them: unseen by a person. */
#define OUTPUT_DELAY 1000000ULL /* ns */

#define IER_BITS (UART_IER_RDI | UART_IER_THRI | UART_IER_RLSI | UART_IER_MSI)
#define MSR_LINES (UART_MSR_CTS | UART_MSR_DSR | UART_MSR_RI | UART_MSR_DCD)

struct serial {
	struct device dev;
	struct bus_range range;
	struct fast_region fast;
	struct irq_source irq;
	struct chardev *chr; /* owns */

	/*
	 * Under dev.lock; SCR lives in the shadow page.  What the guest reads
	 * as IER does as well: ier is what of it has arrived here.
	 */
	uint8_t ier, fcr, lcr, mcr, lsr, msr, dll, dlm;
	uint8_t rx[SERIAL_FIFO];
	uint8_t rx_head;
	uint8_t rx_len;
	uint8_t scr; /* while it is saved or loaded */
	bool thre;   /* the transmitter empty interrupt is pending */
	bool held;   /* the chardev asked to hold back */
	bool stuck;  /* the chardev was told that there is no room */
};

/*
 * A write at offset 0 is THR, or DLL while DLAB is set: posted writes reach
 * serial_write in order with the one that changed DLAB, so both can be.
 * IER can be read as well, so the region is off while DLAB puts DLM there.
 */
static const struct vireo_rule serial_rules[] = {
	{ .type = VIREO_RULE_POST,
	  .widths = VIREO_WIDTH_1,
	  .offset = UART_TX,
	  .len = 1 },
	{ .type = VIREO_RULE_POST,
	  .widths = VIREO_WIDTH_1,
	  .flags = VIREO_RULE_READ_SHADOW | VIREO_RULE_WRITE_THROUGH,
	  .offset = UART_IER,
	  .len = 1,
	  .shadow = UART_IER,
	  .mask = IER_BITS },
	{ .type = VIREO_RULE_SHADOW,
	  .widths = VIREO_WIDTH_1,
	  .offset = UART_LSR,
	  .len = 1,
	  .shadow = UART_LSR },
	{ .type = VIREO_RULE_SHADOW,
	  .widths = VIREO_WIDTH_1,
	  .flags = VIREO_RULE_WRITE_THROUGH,
	  .offset = UART_SCR,
	  .len = 1,
	  .shadow = UART_SCR },
};

/* What IIR shows, most urgent first (8.6.1, table III). */
static uint8_t pending(const struct serial *s)
{
	if ((s->ier & UART_IER_RDI) && s->rx_len)
		return UART_IIR_RDI;
	if ((s->ier & UART_IER_THRI) && s->thre)
		return UART_IIR_THRI;
	if ((s->ier & UART_IER_MSI) && (s->msr & UART_MSR_ANY_DELTA))
		return UART_IIR_MSI;
	return UART_IIR_NO_INT;
}

/* LSR and the interrupt follow from the rest of the state. */
static void update(struct serial *s)
{
	uint8_t lsr = s->held ? 0 : UART_LSR_THRE | UART_LSR_TEMT;

	if (s->rx_len)
		lsr |= UART_LSR_DR;
	if (lsr != s->lsr) {
		s->lsr = lsr;
		fast_shadow8(&s->fast, UART_LSR, lsr);
	}
	/* In a PC the pin OUT2, high in loopback, gates the interrupt. */
	irq_set(&s->irq, pending(s) != UART_IIR_NO_INT &&
				 (s->mcr & UART_MCR_OUT2) &&
				 !(s->mcr & UART_MCR_LOOP));
}

static unsigned int rx_room(const struct serial *s)
{
	unsigned int size = s->fcr & UART_FCR_ENABLE_FIFO ? SERIAL_FIFO : 1;

	return s->rx_len < size ? size - s->rx_len : 0;
}

static void rx_push(struct serial *s, uint8_t c)
{
	if (rx_room(s))
		s->rx[(s->rx_head + s->rx_len++) % SERIAL_FIFO] = c;
}

static bool can_receive(const struct serial *s)
{
	return (s->mcr & UART_MCR_RTS) && !(s->mcr & UART_MCR_LOOP);
}

/* Input may go on, if it waits and the reason is gone. */
static void unstick(struct serial *s)
{
	if (s->stuck && can_receive(s) && rx_room(s)) {
		s->stuck = false;
		chardev_poll_input(s->chr);
	}
}

static uint8_t rx_pop(struct serial *s)
{
	uint8_t c;

	if (!s->rx_len)
		return 0;
	c = s->rx[s->rx_head];
	s->rx_head = (s->rx_head + 1) % SERIAL_FIFO;
	/* Asked for when empty, the next input comes a FIFO at a time. */
	if (!--s->rx_len)
		unstick(s);
	return c;
}

/* The modem status lines and their deltas (8.9); in loopback from MCR (8.8). */
static void set_lines(struct serial *s)
{
	uint8_t lines = UART_MSR_CTS | UART_MSR_DSR | UART_MSR_DCD;
	uint8_t changed;

	if (s->mcr & UART_MCR_LOOP) {
		lines = 0;
		if (s->mcr & UART_MCR_RTS)
			lines |= UART_MSR_CTS;
		if (s->mcr & UART_MCR_DTR)
			lines |= UART_MSR_DSR;
		if (s->mcr & UART_MCR_OUT1)
			lines |= UART_MSR_RI;
		if (s->mcr & UART_MCR_OUT2)
			lines |= UART_MSR_DCD;
	}
	changed = (s->msr ^ lines) & MSR_LINES;
	if (lines & UART_MSR_RI) /* only its trailing edge counts */
		changed &= (uint8_t)~UART_MSR_RI;
	s->msr = lines | (s->msr & UART_MSR_ANY_DELTA) | changed >> 4;
}

static void transmit(struct serial *s, uint8_t c)
{
	if (s->mcr & UART_MCR_LOOP)
		rx_push(s, c);
	else if (!chardev_write(s->chr, &c, 1))
		s->held = true;
	s->thre = !s->held;
}

static void write_fcr(struct serial *s, uint8_t val)
{
	bool toggled = (val ^ s->fcr) & UART_FCR_ENABLE_FIFO;

	if (toggled || (val & UART_FCR_CLEAR_RCVR)) {
		s->rx_len = 0;
		unstick(s);
	}
	s->fcr = val & (UART_FCR_ENABLE_FIFO | UART_FCR_TRIGGER_MASK);
}

static void write_lcr(struct serial *s, uint8_t val)
{
	bool toggled = (val ^ s->lcr) & UART_LCR_DLAB;

	s->lcr = val;
	if (toggled)
		fast_region_enable(&s->fast, !(val & UART_LCR_DLAB));
}

static uint8_t serial_read8(struct serial *s, uint64_t off)
{
	bool dlab = s->lcr & UART_LCR_DLAB;
	uint8_t val;

	switch (off) {
	case UART_RX:
		val = dlab ? s->dll : rx_pop(s);
		break;
	case UART_IER:
		val = dlab ? s->dlm : s->ier;
		break;
	case UART_IIR:
		val = pending(s);
		if (val == UART_IIR_THRI)
			s->thre = false;
		if (s->fcr & UART_FCR_ENABLE_FIFO)
			val |= 0xc0;
		break;
	case UART_LCR:
		return s->lcr;
	case UART_MCR:
		return s->mcr;
	case UART_LSR:
		return s->lsr;
	case UART_MSR:
		val = s->msr;
		s->msr &= MSR_LINES;
		break;
	default:
		return s->fast.shadow[UART_SCR];
	}
	update(s);
	return val;
}

static void serial_write8(struct serial *s, uint64_t off, uint8_t val)
{
	switch (off) {
	case UART_TX:
		if (s->lcr & UART_LCR_DLAB) {
			s->dll = val;
			return;
		}
		transmit(s, val);
		break;
	case UART_IER:
		if (s->lcr & UART_LCR_DLAB) {
			s->dlm = val;
			return;
		}
		/* Enabling it with an empty transmitter interrupts (8.4). */
		if (val & ~s->ier & UART_IER_THRI)
			s->thre = !s->held;
		s->ier = val & IER_BITS;
		break;
	case UART_FCR:
		write_fcr(s, val);
		break;
	case UART_LCR:
		write_lcr(s, val);
		return;
	case UART_MCR:
		s->mcr = val & 0x1f;
		set_lines(s);
		unstick(s);
		break;
	case UART_SCR:
		fast_shadow8(&s->fast, UART_SCR, val);
		return;
	default: /* LSR and MSR are not for writing */
		return;
	}
	update(s);
}

/* The chip has eight data lines: the bus splits what is wider. */
static uint64_t serial_read(void *dev, uint64_t off, unsigned int size)
{
	uint64_t val = 0;
	unsigned int i;

	for (i = 0; i < size; i++)
		val |= (uint64_t)serial_read8(dev, off + i) << 8 * i;
	return val;
}

static void serial_write(void *dev, uint64_t off, unsigned int size,
			 uint64_t val)
{
	struct serial *s = dev;
	unsigned int i;

	for (i = 0; i < size; i++)
		serial_write8(s, off + i, (uint8_t)(val >> 8 * i));
	/* A byte comes by the rules, which have stored it. */
	if (size > 1 && off <= UART_IER)
		fast_shadow8(&s->fast, UART_IER, s->ier);
}

/* Whether a post should be seen at once: it lets an interrupt happen. */
static bool serial_urgent(void *dev, const struct vireo_post *post)
{
	const struct serial *s = dev;

	return post->offset == UART_IER && post->value & ~s->ier & IER_BITS;
}

static const struct bus_ops serial_ops = {
	.read = serial_read,
	.write = serial_write,
};

/* ---- the world ----------------------------------------------------------- */

static size_t serial_can_take(void *opaque)
{
	struct serial *s = opaque;
	size_t room;

	pthread_mutex_lock(&s->dev.lock);
	room = can_receive(s) ? rx_room(s) : 0;
	s->stuck = !room;
	pthread_mutex_unlock(&s->dev.lock);
	return room;
}

static void serial_input(void *opaque, const uint8_t *buf, size_t len)
{
	struct serial *s = opaque;
	size_t i;

	pthread_mutex_lock(&s->dev.lock);
	fast_region_drain(&s->fast);
	for (i = 0; i < len; i++)
		rx_push(s, buf[i]);
	update(s);
	pthread_mutex_unlock(&s->dev.lock);
}

static void serial_drained(void *opaque)
{
	struct serial *s = opaque;

	pthread_mutex_lock(&s->dev.lock);
	fast_region_drain(&s->fast);
	s->held = false;
	s->thre = true;
	update(s);
	pthread_mutex_unlock(&s->dev.lock);
}

static void key_power(void *opaque)
{
	vm_power_button(opaque);
}

static void key_stop(void *opaque)
{
	vm_request_by(opaque, VM_REQ_STOP, VM_BY_USER);
}

static void key_reset(void *opaque)
{
	vm_request_by(opaque, VM_REQ_RESET, VM_BY_USER);
}

/* ---- life ------------------------------------------------------------------
 */

static int serial_realize(struct device *dev, const void *config,
			  struct error *err)
{
	struct serial *s = (struct serial *)dev;
	const struct chardev_client client = {
		.can_take = serial_can_take,
		.input = serial_input,
		.on_drained = serial_drained,
		.opaque = s,
	};
	const struct chardev_escape escape = {
		.power_button = key_power,
		.stop = key_stop,
		.reset = key_reset,
		.opaque = dev->vm,
	};
	int ret;

	s->range = (struct bus_range){
		.name = dev->id,
		.base = SERIAL_BASE,
		.len = SERIAL_PORTS,
		.ops = &serial_ops,
		.dev = s,
		.lock = &dev->lock,
		.fast = &s->fast,
	};
	s->fast.rules = serial_rules;
	s->fast.nr_rules = sizeof(serial_rules) / sizeof(serial_rules[0]);
	s->fast.ring_entries = 1024;
	s->fast.post_delay = OUTPUT_DELAY;
	s->fast.urgent = serial_urgent;
	irq_source_init(&s->irq, &dev->vm->irqs, SERIAL_IRQ);

	ret = fast_region_init(&s->fast, dev->vm, &s->range, err);
	if (ret < 0)
		return ret;
	ret = chardev_open(&s->chr, dev->vm->loop, config, &client, &escape,
			   err);
	if (ret < 0)
		goto err_fast;
	ret = bus_insert(&dev->vm->pio, &s->range, err);
	if (ret < 0)
		goto err_chardev;
	return 0;

err_chardev:
	chardev_close(s->chr);
err_fast:
	fast_region_destroy(&s->fast);
	return ret;
}

static void serial_reset(struct device *dev)
{
	struct serial *s = (struct serial *)dev;

	pthread_mutex_lock(&dev->lock);
	/* What was posted before belongs to the state before. */
	fast_region_drain(&s->fast);
	s->ier = s->fcr = s->lcr = s->mcr = s->dll = s->dlm = 0;
	s->msr = UART_MSR_CTS | UART_MSR_DSR | UART_MSR_DCD;
	s->rx_len = 0;
	s->thre = false;
	fast_shadow8(&s->fast, UART_SCR, 0);
	fast_shadow8(&s->fast, UART_IER, 0);
	fast_region_enable(&s->fast, true);
	update(s);
	pthread_mutex_unlock(&dev->lock);
}

/* ---- state ----------------------------------------------------------------- */

#define FIELD(member)                          \
	{                                      \
		STATE_U(struct serial, member) \
	}
static const struct state_field serial_fields[] = {
	FIELD(ier),
	FIELD(fcr),
	FIELD(lcr),
	FIELD(mcr),
	FIELD(msr),
	FIELD(dll),
	FIELD(dlm),
	FIELD(scr),
	{ STATE_BYTES(struct serial, rx) },
	{ STATE_U(struct serial, rx_head), .max = SERIAL_FIFO - 1 },
	{ STATE_U(struct serial, rx_len), .max = SERIAL_FIFO },
	{ STATE_BOOL(struct serial, thre) },
	{ 0 },
};

static int serial_prepare(void *obj, struct error *err)
{
	struct serial *s = obj;

	(void)err;
	pthread_mutex_lock(&s->dev.lock);
	fast_region_drain(&s->fast);
	s->scr = s->fast.shadow[UART_SCR];
	pthread_mutex_unlock(&s->dev.lock);
	return 0;
}

/* A transmitter that was held back is not: this chardev has room. */
static int serial_loaded(void *obj, struct error *err)
{
	struct serial *s = obj;

	(void)err;
	pthread_mutex_lock(&s->dev.lock);
	s->ier &= IER_BITS;
	s->mcr &= 0x1f;
	fast_shadow8(&s->fast, UART_SCR, s->scr);
	fast_shadow8(&s->fast, UART_IER, s->ier);
	fast_region_enable(&s->fast, !(s->lcr & UART_LCR_DLAB));
	if (!s->held && !pending(s))
		s->thre = true;
	update(s);
	s->stuck = true;
	unstick(s);
	pthread_mutex_unlock(&s->dev.lock);
	return 0;
}

static const struct state_table serial_state = {
	.version = 1,
	.fields = serial_fields,
	.prepare = serial_prepare,
	.loaded = serial_loaded,
};

static void serial_unrealize(struct device *dev)
{
	struct serial *s = (struct serial *)dev;

	bus_remove(&dev->vm->pio, &s->range);
	chardev_close(s->chr);
	fast_region_destroy(&s->fast);
}

const struct chardev *serial_chardev(const struct device *dev)
{
	return ((const struct serial *)dev)->chr;
}

const struct dev_class serial_class = {
	.name = "serial",
	.size = sizeof(struct serial),
	.realize = serial_realize,
	.reset = serial_reset,
	.state = &serial_state,
	.unrealize = serial_unrealize,
};
