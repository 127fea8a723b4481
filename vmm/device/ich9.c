// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ICH9 LPC bridge (Intel I/O Controller Hub 9 data sheet, 316972): ACPI power
 * management registers (13.8.3), their interrupt, and the reset ports.
 *
 * The machine is in ACPI mode from the start (SCI_EN reads as 1), so nothing
 * listens to the SMI command port; it only remembers what is written.
 */
#include <string.h>

#include "../fastpath.h"
#include "../log.h"
#include "../state.h"
#include "../vm.h"
#include "devices.h"
#include "pci.h"

/* Configuration space (13.1). */
#define LPC_PMBASE 0x40
#define LPC_ACPI_CNT 0x44
#define LPC_PIRQA 0x60
#define LPC_PIRQE 0x68
#define LPC_IO_SPACE 1
#define LPC_ACPI_EN 0x80 /* and SCI on IRQ 9 */
#define LPC_PIRQ_OFF 0x80

/* Power management block, offsets from ICH9_PM_BASE. */
#define PM_LEN 128
#define PM1_STS_EN 0x00
#define PM1_EN 0x02
#define PM1_CNT 0x04
#define PM_TMR 0x08
#define GPE0_STS 0x20
#define GPE0_EN 0x28
#define SMI_EN 0x30

#define PM1_TMR (1 << 0) /* TMROF_STS, TMROF_EN */
#define PM1_GBL (1 << 5)
#define PM1_PWRBTN (1 << 8) /* PWRBTN_STS, PWRBTN_EN */
#define PM1_RTC (1 << 10)
#define PM1_EN_MASK (PM1_TMR | PM1_GBL | PM1_PWRBTN | PM1_RTC)
#define CNT_SCI_EN (1 << 0)
#define CNT_BM_RLD (1 << 1)
#define CNT_SLP_TYP_SHIFT 10
#define CNT_SLP_EN (1 << 13)

#define TMR_HZ 3579545
#define TMR_BITS 24
#define TMR_MSB (1U << (TMR_BITS - 1)) /* TMROF_STS: it toggled */
#define NS 1000000000ULL

#define APM_BASE 0xb2
#define PORT92 0x92
#define PORT92_RESET 0x01
#define PORT92_A20 0x02

#define RST_CPU 0x04 /* rising: resets, however hard SYS_RST wants it */
#define RST_MASK 0x0e

struct ich9 {
	struct pci_dev pci;
	struct bus_range pm;
	struct fast_region pm_fast;
	struct bus_range apm;
	struct bus_range port92;
	struct irq_source sci;
	struct loop_timer tmr; /* the next toggle, while TMROF_EN is set */
	struct log_limit guest_faults;

	/* Under pci.dev.lock. */
	uint16_t pm1_sts;
	uint16_t pm1_en;
	uint16_t pm1_cnt;
	uint64_t tmr_offset;  /* the timer is at loop_now() + this, in ns */
	uint64_t tmr_saved;   /* where it is, while it is saved or loaded */
	uint64_t tmr_toggles; /* TMROF_STS has taken account of as many */
	uint8_t gpe_sts[8];
	uint8_t gpe_en[8];
	uint32_t smi_en;
	uint8_t apm_regs[2];
	uint8_t port92_reg;
	uint8_t rst_cnt;
};

/*
 * The timer, and what of the block only the guest writes and only to read it
 * back.  What depends on the time, or bears on the SCI, comes here: the guest
 * must find the interrupt gone when its write is done.
 */
#define SHADOW_TMR 0 /* tmr_offset */
#define SHADOW_PM1_EN 8
#define SHADOW_PM1_CNT 12

static const struct vireo_rule pm_rules[] = {
	{ .type = VIREO_RULE_CLOCK,
	  .offset = PM_TMR,
	  .len = 4,
	  .shadow = SHADOW_TMR,
	  .value = TMR_HZ,
	  .mask = (1U << TMR_BITS) - 1 },
	{ .type = VIREO_RULE_SHADOW,
	  .offset = PM1_EN,
	  .len = 2,
	  .shadow = SHADOW_PM1_EN },
	{ .type = VIREO_RULE_SHADOW,
	  .offset = PM1_CNT,
	  .len = 4,
	  .shadow = SHADOW_PM1_CNT },
};

/* ---- timer and SCI --------------------------------------------------------
 */

/* TMR_HZ / NS as a 64-bit fraction, rounded down as the CLOCK rule has it. */
#define TMR_SCALE ((uint64_t)(((unsigned __int128)TMR_HZ << 64) / NS))

static uint64_t tmr_ticks(uint64_t ns)
{
	return (uint64_t)(((unsigned __int128)ns * TMR_SCALE) >> 64);
}

/* When the timer has counted @ticks; a bit late rather than early. */
static uint64_t tmr_ns(uint64_t ticks)
{
	return ticks / TMR_HZ * NS + ticks % TMR_HZ * NS / TMR_HZ + 2;
}

static uint64_t tmr_now(const struct ich9 *ich9)
{
	return loop_now() + ich9->tmr_offset;
}

static void update_sci(struct ich9 *ich9)
{
	uint64_t toggles = tmr_ticks(tmr_now(ich9)) / TMR_MSB;

	if (toggles != ich9->tmr_toggles)
		ich9->pm1_sts |= PM1_TMR;
	ich9->tmr_toggles = toggles;
	/* No event beyond the first 8 is ever raised. */
	irq_set(&ich9->sci, (ich9->pm1_sts & ich9->pm1_en) ||
				    (ich9->gpe_sts[0] & ich9->gpe_en[0]));

	if (ich9->pm1_en & ~ich9->pm1_sts & PM1_TMR)
		loop_timer_arm(ich9->pci.dev.vm->loop, &ich9->tmr,
			       tmr_ns((toggles + 1) * TMR_MSB) -
				       ich9->tmr_offset);
}

static void tmr_toggled(void *opaque)
{
	struct ich9 *ich9 = opaque;

	pthread_mutex_lock(&ich9->pci.dev.lock);
	update_sci(ich9);
	pthread_mutex_unlock(&ich9->pci.dev.lock);
}

void ich9_power_button(struct ich9 *ich9)
{
	pthread_mutex_lock(&ich9->pci.dev.lock);
	ich9->pm1_sts |= PM1_PWRBTN;
	update_sci(ich9);
	pthread_mutex_unlock(&ich9->pci.dev.lock);
}

void ich9_gpe(struct ich9 *ich9, unsigned int nr)
{
	pthread_mutex_lock(&ich9->pci.dev.lock);
	ich9->gpe_sts[0] |= (uint8_t)(1U << nr);
	update_sci(ich9);
	pthread_mutex_unlock(&ich9->pci.dev.lock);
}

/* ---- power management block ------------------------------------------------
 */

/* The aligned double word at @off. */
static uint32_t pm_reg(struct ich9 *ich9, uint64_t off)
{
	uint32_t val = 0;

	switch (off) {
	case PM1_STS_EN:
		update_sci(ich9);
		return ich9->pm1_sts | (uint32_t)ich9->pm1_en << 16;
	case PM1_CNT:
		return ich9->pm1_cnt | CNT_SCI_EN;
	case PM_TMR:
		return tmr_ticks(tmr_now(ich9)) & ((1U << TMR_BITS) - 1);
	case GPE0_STS:
	case GPE0_STS + 4:
		memcpy(&val, ich9->gpe_sts + off - GPE0_STS, sizeof(val));
		return val;
	case GPE0_EN:
	case GPE0_EN + 4:
		memcpy(&val, ich9->gpe_en + off - GPE0_EN, sizeof(val));
		return val;
	case SMI_EN:
		return ich9->smi_en;
	}
	return 0;
}

static uint64_t pm_read(void *dev, uint64_t off, unsigned int size)
{
	uint64_t val = 0;
	uint32_t reg = 0;
	unsigned int i;

	for (i = 0; i < size; i++, off++) {
		if (!i || !(off & 3))
			reg = pm_reg(dev, off & ~3ULL);
		val |= (uint64_t)(uint8_t)(reg >> 8 * (off & 3)) << 8 * i;
	}
	return val;
}

static void write_sleep(struct ich9 *ich9, uint8_t val)
{
	unsigned int type = (val >> (CNT_SLP_TYP_SHIFT - 8)) & 7;

	ich9->pm1_cnt =
		(uint16_t)((ich9->pm1_cnt & 0xff) | type << CNT_SLP_TYP_SHIFT);
	if (!(val & CNT_SLP_EN >> 8))
		return;
	if (type == ICH9_SLP_TYP_S5)
		vm_request(ich9->pci.dev.vm, VM_REQ_SHUTDOWN);
	else
		log_guest(&ich9->guest_faults, ich9->pci.dev.id,
			  "there is no sleep type %u", type);
}

/* One byte: no register has an effect that needs more of it at once. */
static void pm_write8(struct ich9 *ich9, uint64_t off, uint8_t val)
{
	unsigned int shift = 8 * (off & 1);

	switch (off) {
	case PM1_STS_EN:
	case PM1_STS_EN + 1:
		ich9->pm1_sts &= (uint16_t) ~(val << shift);
		break;
	case PM1_STS_EN + 2:
	case PM1_STS_EN + 3:
		ich9->pm1_en &= (uint16_t) ~(0xff << shift);
		ich9->pm1_en |= (val << shift) & PM1_EN_MASK;
		break;
	case PM1_CNT:
		ich9->pm1_cnt &= 0xff00;
		ich9->pm1_cnt |= val & CNT_BM_RLD;
		break;
	case PM1_CNT + 1:
		write_sleep(ich9, val);
		break;
	case GPE0_STS ... GPE0_STS + 7:
		ich9->gpe_sts[off - GPE0_STS] &= (uint8_t)~val;
		break;
	case GPE0_EN ... GPE0_EN + 7:
		ich9->gpe_en[off - GPE0_EN] = val;
		break;
	case SMI_EN ... SMI_EN + 3:
		shift = 8 * (off & 3);
		ich9->smi_en &= ~(0xffU << shift);
		ich9->smi_en |= (uint32_t)val << shift;
		break;
	}
}

static void show_pm(struct ich9 *ich9)
{
	fast_shadow16(&ich9->pm_fast, SHADOW_PM1_EN, ich9->pm1_en);
	fast_shadow32(&ich9->pm_fast, SHADOW_PM1_CNT,
		      ich9->pm1_cnt | CNT_SCI_EN);
}

static void pm_write(void *dev, uint64_t off, unsigned int size, uint64_t val)
{
	struct ich9 *ich9 = dev;
	unsigned int i;

	update_sci(ich9); /* what happened before the write */
	for (i = 0; i < size; i++)
		pm_write8(ich9, off + i, (uint8_t)(val >> 8 * i));
	update_sci(ich9);
	show_pm(ich9);
}

static const struct bus_ops pm_ops = {
	.read = pm_read,
	.write = pm_write,
};

/* ---- APM and reset ports
 * ------------------------------------------------------ */

static uint64_t apm_read(void *dev, uint64_t off, unsigned int size)
{
	struct ich9 *ich9 = dev;

	if (size == 1)
		return ich9->apm_regs[off];
	return ich9->apm_regs[0] | (uint64_t)ich9->apm_regs[1] << 8;
}

static void apm_write(void *dev, uint64_t off, unsigned int size, uint64_t val)
{
	struct ich9 *ich9 = dev;

	ich9->apm_regs[off] = (uint8_t)val;
	if (size == 2)
		ich9->apm_regs[1] = (uint8_t)(val >> 8);
}

static const struct bus_ops apm_ops = {
	.read = apm_read,
	.write = apm_write,
};

static uint64_t port92_read(void *dev, uint64_t off, unsigned int size)
{
	(void)off;
	(void)size;
	return ((struct ich9 *)dev)->port92_reg;
}

static void port92_write(void *dev, uint64_t off, unsigned int size,
			 uint64_t val)
{
	struct ich9 *ich9 = dev;
	uint8_t rise = (uint8_t)val & ~ich9->port92_reg;

	(void)off;
	(void)size;
	ich9->port92_reg = (uint8_t)val & (PORT92_RESET | PORT92_A20);
	if (rise & PORT92_RESET)
		vm_request(ich9->pci.dev.vm, VM_REQ_RESET);
}

static const struct bus_ops port92_ops = {
	.read = port92_read,
	.write = port92_write,
};

/* Both come from the host bridge, with its lock and not ours. */
uint8_t ich9_reset_read(struct ich9 *ich9)
{
	uint8_t val;

	pthread_mutex_lock(&ich9->pci.dev.lock);
	val = ich9->rst_cnt;
	pthread_mutex_unlock(&ich9->pci.dev.lock);
	return val;
}

void ich9_reset_write(struct ich9 *ich9, uint8_t val)
{
	bool reset;

	pthread_mutex_lock(&ich9->pci.dev.lock);
	reset = val & ~ich9->rst_cnt & RST_CPU;
	ich9->rst_cnt = val & RST_MASK;
	pthread_mutex_unlock(&ich9->pci.dev.lock);
	if (reset)
		vm_request(ich9->pci.dev.vm, VM_REQ_RESET);
}

/* ---- life -------------------------------------------------------------------
 */

static void init_range(struct ich9 *ich9, struct bus_range *range,
		       uint64_t base, uint64_t len, const struct bus_ops *ops)
{
	*range = (struct bus_range){
		.name = ich9->pci.dev.id,
		.base = base,
		.len = len,
		.ops = ops,
		.dev = ich9,
		.lock = &ich9->pci.dev.lock,
	};
}

static int ich9_realize(struct device *dev, const void *config,
			struct error *err)
{
	static const struct pci_ids ids = {
		.vendor = 0x8086,
		.device = 0x2918,
		.class_rev = 0x060100 << 8 | 2,
	};
	struct ich9 *ich9 = (struct ich9 *)dev;
	struct bus *pio = &dev->vm->pio;
	uint8_t *c;
	int ret;

	(void)config;
	init_range(ich9, &ich9->pm, ICH9_PM_BASE, PM_LEN, &pm_ops);
	init_range(ich9, &ich9->apm, APM_BASE, 2, &apm_ops);
	init_range(ich9, &ich9->port92, PORT92, 1, &port92_ops);
	irq_source_init(&ich9->sci, &dev->vm->irqs, ICH9_SCI_GSI);
	ich9->tmr = (struct loop_timer){ .fn = tmr_toggled, .opaque = ich9 };

	ret = pci_dev_init(&ich9->pci, PCI_DEVFN(31, 0), &ids, err);
	if (ret < 0)
		return ret;
	c = ich9->pci.config;
	c[LPC_PMBASE] = LPC_IO_SPACE;
	c[LPC_PMBASE + 1] = ICH9_PM_BASE >> 8;
	c[LPC_ACPI_CNT] = LPC_ACPI_EN;
	memset(ich9->pci.wmask + LPC_PIRQA, 0xff, 4);
	memset(ich9->pci.wmask + LPC_PIRQE, 0xff, 4);

	ich9->pm_fast.rules = pm_rules;
	ich9->pm_fast.nr_rules = sizeof(pm_rules) / sizeof(pm_rules[0]);
	ret = fast_region_init(&ich9->pm_fast, dev->vm, &ich9->pm, err);
	if (ret < 0)
		goto err_dev;
	ret = bus_insert(pio, &ich9->pm, err);
	if (ret < 0)
		goto err_fast;
	ret = bus_insert(pio, &ich9->apm, err);
	if (ret < 0)
		goto err_pm;
	ret = bus_insert(pio, &ich9->port92, err);
	if (ret < 0)
		goto err_apm;
	dev->vm->ich9 = ich9;
	return 0;

err_apm:
	bus_remove(pio, &ich9->apm);
err_pm:
	bus_remove(pio, &ich9->pm);
err_fast:
	fast_region_destroy(&ich9->pm_fast);
err_dev:
	pci_dev_destroy(&ich9->pci);
	return ret;
}

static void ich9_reset(struct device *dev)
{
	struct ich9 *ich9 = (struct ich9 *)dev;

	pci_dev_reset(&ich9->pci);
	memset(ich9->pci.config + LPC_PIRQA, LPC_PIRQ_OFF, 4);
	memset(ich9->pci.config + LPC_PIRQE, LPC_PIRQ_OFF, 4);
	pci_config_show(&ich9->pci);

	pthread_mutex_lock(&dev->lock);
	ich9->pm1_sts = ich9->pm1_en = ich9->pm1_cnt = 0;
	ich9->tmr_toggles = tmr_ticks(tmr_now(ich9)) / TMR_MSB;
	memset(ich9->gpe_sts, 0, sizeof(ich9->gpe_sts));
	memset(ich9->gpe_en, 0, sizeof(ich9->gpe_en));
	ich9->smi_en = 0;
	memset(ich9->apm_regs, 0, sizeof(ich9->apm_regs));
	ich9->port92_reg = PORT92_A20;
	ich9->rst_cnt = 0;
	update_sci(ich9);
	show_pm(ich9);
	pthread_mutex_unlock(&dev->lock);
}

static const struct state_field ich9_fields[] = {
	{ STATE_PART(struct ich9, pci, pci_state_fields) },
	{ STATE_U(struct ich9, pm1_sts) },
	{ STATE_U(struct ich9, pm1_en) },
	{ STATE_U(struct ich9, pm1_cnt) },
	{ STATE_U(struct ich9, tmr_saved) },
	{ STATE_BYTES(struct ich9, gpe_sts) },
	{ STATE_BYTES(struct ich9, gpe_en) },
	{ STATE_U(struct ich9, smi_en) },
	{ STATE_BYTES(struct ich9, apm_regs) },
	{ STATE_U(struct ich9, port92_reg) },
	{ STATE_U(struct ich9, rst_cnt) },
	{ 0 },
};

static int ich9_prepare(void *obj, struct error *err)
{
	struct ich9 *ich9 = obj;

	(void)err;
	pthread_mutex_lock(&ich9->pci.dev.lock);
	update_sci(ich9);
	ich9->tmr_saved = tmr_now(ich9);
	pthread_mutex_unlock(&ich9->pci.dev.lock);
	pci_state_prepare(&ich9->pci);
	return 0;
}

/* The timer goes on from where it was. */
static int ich9_loaded(void *obj, struct error *err)
{
	struct ich9 *ich9 = obj;
	int rc = pci_state_loaded(&ich9->pci, err);

	if (rc)
		return rc;
	pthread_mutex_lock(&ich9->pci.dev.lock);
	ich9->tmr_offset = ich9->tmr_saved - loop_now();
	fast_shadow64(&ich9->pm_fast, SHADOW_TMR, ich9->tmr_offset);
	ich9->tmr_toggles = tmr_ticks(tmr_now(ich9)) / TMR_MSB;
	ich9->pm1_en &= PM1_EN_MASK;
	update_sci(ich9);
	show_pm(ich9);
	pthread_mutex_unlock(&ich9->pci.dev.lock);
	return 0;
}

static const struct state_table ich9_state = {
	.version = 1,
	.fields = ich9_fields,
	.prepare = ich9_prepare,
	.loaded = ich9_loaded,
};

static void ich9_unrealize(struct device *dev)
{
	struct ich9 *ich9 = (struct ich9 *)dev;
	struct bus *pio = &dev->vm->pio;

	dev->vm->ich9 = NULL;
	bus_remove(pio, &ich9->port92);
	bus_remove(pio, &ich9->apm);
	bus_remove(pio, &ich9->pm);
	fast_region_destroy(&ich9->pm_fast);
	loop_timer_cancel(dev->vm->loop, &ich9->tmr);
	pci_dev_destroy(&ich9->pci);
}

const struct dev_class ich9_lpc_class = {
	.name = "ich9",
	.size = sizeof(struct ich9),
	.realize = ich9_realize,
	.reset = ich9_reset,
	.state = &ich9_state,
	.unrealize = ich9_unrealize,
};
