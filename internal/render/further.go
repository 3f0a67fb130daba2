package render

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"ringup.dev/ringup/internal/format"
)

// furtherWords are statuses as tills write them in languages without built-in words, and otherwise than the built-in words of a language do. Each is the beginning of a word,
// as most of these languages decline: zamítnut, zamítnuta. They are read, and shown as the till wrote them or in the customer's language.
var furtherWords = map[string]string{
	"paid": "zaplacen zaplaten uhrazen uhraden betalt maksett fizetve kifizet plătit achitat plaćen plačan платен оплачен заплачен сплачен πληρωμ πληρωθ שולם भुगतान_किया dibayar lunas " +
		"đã_thanh_toán ชำระเงินแล้ว จ่ายแล้ว ชำระแล้ว 결제완료 결제_완료 makstud apmaks apmoket pagat greitt encaiss acquitt beglichen kassiert gezahlt verbucht cobrad abonad liquidad saldat incassat " +
		"quitad voldaan afgerekend opłacon tahsil_edildi مدفوع 支払済 支払完了 決済完了 会計済 決済済 支付成功 已支付 付款成功 已付清 付清",
	"confirmed": "schválen potvrzen potvrden godkän godkend godkjent hyväksyt jóváhagy aprobat odobren одобрен подтвержд підтвердж εγκρίθ אושר स्वीकृत disetujui diluluskan đã_duyệt อนุมัติ 승인 kinnitatud apstiprin patvirtin " +
		"approuv genehmigt aprobad approvat aprovad goedgekeurd zaakceptowan zatwierdz مقبول 承認",
	"completed": "dokončen gennemført fuldført fullført slutför genomför valmis teljesít sikeres finalizat încheiat dovršen završen uspješn uspešn úspěšn úspešn завершен завершён завърш выполнен виконан успешн успішн ολοκληρ επιτυχ " +
		"הושלם पूर्ण_हु सफल selesai berhasil hoàn_thành thành_công สำเร็จ เสร็จ 완료 성공 lõpetatud pabeigt įvykdyt completat erfolgreich exitos concluid conclus riuscit geslaagd zakończ başarılı ناجح 成功",
	"declined": "zamítn zamietn odmítn odmietn odmow avvisad avvist nekad afvist afslå avslå hylät elutasít respins refuzat odbijen zavrn отклон отказ отхвърл відхил відмов απορρίφθ απορρίπτ נדחה סורב अस्वीकृत " +
		"अस्वीकार ditolak từ_chối bị_từ_chối ปฏิเสธ ถูกปฏิเสธ 거절 거부 tagasi_lükat noraidīt atmest rebutjat verweigert zurückgewiesen rejet denegad negad negato negata respint afgewezen afgekeurd مرفوض رفض 拒否 拒绝 拒絕 被拒",
	"failed": "selhal neúspěš neúspeš nezdař zlyhal misslyck mislyk mislykk feilet fejlet epäonnist sikertelen meghiúsul eșuat neuspje neuspješ neuspeš неуспе неуспіш неудач не_удал невдал ошибк помилк απέτυχ αποτυχ נכשל विफल असफल " +
		"gagal thất_bại ล้มเหลว ไม่สำเร็จ 실패 오류 ebaõnnest neizdev nepavyk fallit gescheitert echou fallid fallit falha nieudan فشل エラー 支付失败 付款失败 交易失败 支付失敗 付款失敗",
	"cancelled": "zrušen stornov storno avbrut annuller makuler kansellert avbestil peruttu peruut töröl lemond visszavon otkazan poništen preklican отменен отменён отмен анулир скасов ακυρώ ακυρω בוטל מבוטל रद्द " +
		"dibatalkan batal đã_hủy đã_huỷ hủy huỷ ยกเลิก ถูกยกเลิก 취소 결제취소 주문취소 tühistat atcelt atšaukt cancel_lat ملغ الغاء キャンセル abgebrochen rückgängig rückgängig_gemacht 取消 取り消 交易关闭",
	"pending": "čeká čekaj čaká nezaplacen nezaplaten väntar väntand obetal ubetalt afventer avventer venter odotta maksamat függőb fizetésre_vár în_așteptare neplătit na_čekanju neplaćen neplačan v_čakanju изчакв очаква неплатен ожида в_обработке " +
		"не_оплачен неоплачен очіку не_сплачен несплачен εκκρεμ ממתין लंबित बकाया tertunda menunggu belum_dibayar belum_lunas đang_chờ chờ_ chưa_thanh_toán รอดำเนินการ รอชำระ ยังไม่ชำระ 대기 보류 미결제 ootel maksmata gaida laukiam neapmoket pendent impaye impag " +
		"unbezahlt offener onbetaald niezapłac nieopłac oczekuj ödenmedi معلق 未払 待支付 待付款 未付款 未支付",
	"refunded": "refundov återbetald återbetalt tilbakebetalt tilbagebetalt 환불완료 คืนเงินแล้ว refundert refunderet hyvitet hyvityt visszatér visszafizet rambursat אוחזר זוכה đã_hoàn_tiền atmaksāt rückerstattet " +
		"remboursé estornad zwrócono_śr مسترد",
	"returned": "vrácen vráten palautet palautus vraćen vrnjen возвр возврат повернен επιστρ הוחזר वापस dikembalikan tagastat grąžint povrat retur refundac återbetalning tilbakebetaling tilbagebetaling rückerstattung erstattung remboursement reembolso " +
		"возмещ відшкод hoàn_tiền คืนเงิน 환불 reintegr rimborso استرداد 返金 退款 退费 zwrot",
}

// further are the words by the keys of their beginnings, the longest first.
var further = sync.OnceValue(func() (all []stem) {
	for word, stems := range furtherWords {
		for one := range strings.FieldsSeq(stems) {
			all = append(all, stem{format.StatusKey(one), word})
		}
	}
	slices.SortFunc(all, func(a, b stem) int { return cmp.Or(len(b.key)-len(a.key), cmp.Compare(a.key, b.key)) })
	return all
})

// stem is the key of the beginning of a word, and what it stands for.
type stem struct{ key, word string }

// furtherWord returns the word of furtherWords that a key of as many words begins with.
func furtherWord(key string) (string, bool) {
	for _, s := range further() {
		if ending, found := strings.CutPrefix(key, s.key); found && !strings.Contains(ending, "_") {
			return s.word, true
		}
	}
	return "", false
}
